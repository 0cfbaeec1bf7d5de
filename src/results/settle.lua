#!lua flags=allow-oom
--[[
  How a call with terms (limits, slots, money) is settled. Comes before record.lua and settle-turn.lua.
]]

--- By how much its tokens were charged too little or too much: "LIMIT ms LIMIT ms …".
local function correctPace(paceKey, corrections)
  for limit, ms in string.gmatch(corrections, "(%a+) (%S+)") do
    -- What Redis does not know stays an empty bucket.
    if redis.call("HEXISTS", paceKey, limit) == 1 then
      redis.call("HINCRBYFLOAT", paceKey, limit, ms)
    end
  end
end

--- What the call has cost (in billionths of a dollar, "" = nobody knows) is spent, and what was reserved for it is free
--- again. False when that was done before.
local function settleCost(spendKey, tierKey, call, cost)
  local reservation = redis.call("HGET", spendKey, "c:" .. call)
  if not reservation then
    return false
  end
  redis.call("HDEL", spendKey, "c:" .. call)
  local amount, day = string.match(reservation, "(%d+):(%d+)")
  local spent = cost == "" and amount or cost
  redis.call("HINCRBY", spendKey, "reserved", "-" .. amount)
  redis.call("HINCRBY", spendKey, "spent", spent)
  if cost == "" then
    redis.call("HINCRBY", spendKey, "unconfirmed", amount)
  end
  if redis.call("HEXISTS", tierKey, day .. ":reserved") == 1 then
    redis.call("HINCRBY", tierKey, day .. ":reserved", "-" .. amount)
    redis.call("HINCRBY", tierKey, day .. ":spent", spent)
  end
  return true
end
