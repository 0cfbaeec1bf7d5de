#!lua
--[[
  The budget: what a call can cost at most is reserved before it, and settled after it by record.lua. Comes before
  gate.lua, for rows of a batch or tier with a budget. All sums are whole billionths of a dollar.

  The spend hash of a batch: budget, spent, reserved, unconfirmed (part of spent: calls whose end nobody knows),
  exhausted, and for each call in flight "c:PROCESS NUMBER" → "SUM:DAY".
  The spend hash of a tier: DAY:spent, DAY:reserved, the day in days since 1970 by Redis' clock.
]]
local dayMs = 86400000

--- Opens the budget of one call. `at` = the index in ARGV of: "1" when the batch has a budget, the tier's budget a day
--- ("" = none), the price of a token of input and of output, both "" when nobody knows it, most output tokens of the
--- model.
local function openBudget(batchKey, tierKey, nowMs, at, isAlive)
  local hasBudget, perDay = ARGV[at] == "1", tonumber(ARGV[at + 1])
  local inputPrice, outputPrice = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local modelMost = tonumber(ARGV[at + 4])
  local today = string.format("%d", math.floor(nowMs / dayMs))
  local limit, used, usedToday = nil, 0, nil
  if hasBudget then
    local sums = redis.call("HMGET", batchKey, "budget", "spent", "reserved")
    limit = sums[1] and tonumber(sums[1])
    used = tonumber(sums[2] or "0") + tonumber(sums[3] or "0")
  end
  if perDay then
    local sums = redis.call("HMGET", tierKey, today .. ":spent", today .. ":reserved")
    if sums[1] then
      usedToday = tonumber(sums[1]) + tonumber(sums[2] or "0")
    end
  end
  local reserved, bound = {}, 0
  local sum = 0

  --- Calls of processes that are dead count as spent in full. Says whether any other call is in flight.
  local function buryDead()
    local isAnyAlive = false
    local fields = redis.call("HGETALL", batchKey)
    for i = 1, #fields, 2 do
      local process = string.match(fields[i], "^c:(%S+)")
      if process and isAlive(process) then
        isAnyAlive = true
      elseif process then
        local amount, day = string.match(fields[i + 1], "(%d+):(%d+)")
        redis.call("HDEL", batchKey, fields[i])
        redis.call("HINCRBY", batchKey, "reserved", "-" .. amount)
        redis.call("HINCRBY", batchKey, "spent", amount)
        redis.call("HINCRBY", batchKey, "unconfirmed", amount)
        if perDay and redis.call("HEXISTS", tierKey, day .. ":reserved") == 1 then
          redis.call("HINCRBY", tierKey, day .. ":reserved", "-" .. amount)
          redis.call("HINCRBY", tierKey, day .. ":spent", amount)
        end
      end
    end
    return isAnyAlive or sum > 0
  end

  local budget = {}

  --- Why the row has to wait, or nil.
  function budget.refusal(payload)
    bound = 0
    if not hasBudget and not perDay then
      return nil
    end
    if not inputPrice then
      return { laterMs = 2000, reason = "unpriced" }
    end
    local most, input, calls = string.match(payload, '^{"weight":%[%d+,(%d+),(%d+),(%d+)')
    if not most then
      -- Whoever fed it knew of no budget.
      most, input, calls = 0, #payload * 3, 2
    end
    most, input, calls = tonumber(most), tonumber(input), tonumber(calls)
    if most == 0 then
      most = modelMost
    end
    -- A second call shows the model its first answer.
    bound = math.ceil(calls * (input * inputPrice + most * outputPrice) + (calls - 1) * most * inputPrice)
    if bound == 0 then
      return nil
    end
    if hasBudget and not limit then
      return { laterMs = 1000, reason = "budget-unknown" }
    end
    if limit and used + bound > limit then
      if buryDead() then
        return { laterMs = 250, reason = "budget-reserved" }
      end
      redis.call("HSET", batchKey, "exhausted", 1)
      return { laterMs = 2000, reason = "budget-spent" }
    end
    if perDay and not usedToday then
      return { laterMs = 1000, reason = "day-unknown" }
    end
    if perDay and bound > perDay then
      return { laterMs = 600000, reason = "day-small" }
    end
    if perDay and usedToday + bound > perDay then
      if buryDead() then
        return { laterMs = 250, reason = "day-reserved" }
      end
      return { laterMs = math.min(600000, dayMs - nowMs % dayMs + 1000), reason = "day-spent" }
    end
    return nil
  end

  function budget.take(call)
    if bound == 0 then
      return
    end
    reserved[#reserved + 1] = "c:" .. call
    reserved[#reserved + 1] = string.format("%.0f:%s", bound, today)
    sum = sum + bound
    used = used + bound
    usedToday = usedToday and usedToday + bound
  end

  function budget.save()
    if sum == 0 then
      return
    end
    local amount = string.format("%.0f", sum)
    redis.call("HSET", batchKey, unpack(reserved))
    redis.call("HINCRBY", batchKey, "reserved", amount)
    if perDay then
      redis.call("HINCRBY", tierKey, today .. ":reserved", amount)
    end
  end

  return budget
end
