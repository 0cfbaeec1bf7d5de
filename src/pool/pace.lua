#!lua
--[[
  The pace: when may a row of a tier or model with limits start? Comes before gate.lua (and turn.lua) in one script, for
  rows with limits only; others pay nothing for it. Uses Redis' clock alone and answers delays, as clocks differ.

  Each limit is a GCRA: `at` is the time at which all that was charged has been earned back. A row starts when what it
  costs fits into the bucket, or, when it costs more than the bucket holds, once the bucket is full: it goes alone and
  those after it wait the longer. Whether a row gets its turn does not depend on what it costs, so that small rows do not
  starve large ones. Starts are handed out up to a horizon ahead; what comes after that stands in line, and comes back
  half a horizon before its time, so that it need not ask twice.

  Online calls (somebody waits for the answer) stand in no line. While a process serves them, one request (and a
  hundredth of each limit of tokens) is kept for them: rows get the rest of the rate, and an online call that is no
  larger may start before its turn when no earlier one still does. It is charged like all others, so that rows after it
  wait instead, and a minute that sees it early sees no more than the limit: the rest leaves room for just one such call.

  Bucket and rate are chosen so that no minute sees more than the limit: a hundredth of it may come at once (one request
  at least), the rest at an even rate.

  The hash of a scope: requests, tokens, input, output (`at` of each limit) · limit:NAME (as learned from headers; none = an answer had none) ·
  line (when the next of those in line may ask again) · pausedUntil, reason · keptSince, keptUntil (something is kept for
  online calls, see keep-requests.lua) · kept (when that is free again)
]]
local limitNames = { "requests", "tokens", "input", "output" }
local keptMs = 86400000
--- Requests a minute until a first answer has told the limits, or that there are none to be told.
local unknownPerMinute = 60
--- Until then nobody knows how long the line is: rows ask again so often, instead of each taking a second of it.
local unknownLaterMs = 500
--- A row never charges, and Redis never believes, more than this beyond a full bucket: a clock may have jumped.
local furthestMs = 120000
--- Of fewer requests a minute none is kept.
local fewestToKeep = 10
--- What is kept can be used once all that was charged at the full rate is out of the window.
local windowMs = 60000

--- Opens the pace of one call. `at` = the index in ARGV of: requests, tokens, input, output a minute (0 = no limit,
--- "auto" = as learned), "most" when the provider charges the allowed output, most output tokens of the model,
--- tokens for each token of the rows' own estimate, horizon in ms.
local function openPace(key, nowMs, at)
  local fields = redis.call("HMGET", key, "requests", "tokens", "input", "output", "limit:requests", "limit:tokens",
    "limit:input", "limit:output", "line", "pausedUntil", "reason", "limit:none", "keptSince", "keptUntil", "kept")
  local chargesMost, modelMost, factor = ARGV[at + 4] == "most", tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local horizonMs = tonumber(ARGV[at + 7])
  local pausedUntil = tonumber(fields[10] or "0")
  local line = math.max(nowMs, math.min(tonumber(fields[9] or "0"), nowMs + 10 * furthestMs))
  local buckets = {}
  local isKnown = fields[5] or fields[6] or fields[7] or fields[8] or fields[12]
  local isUnknown = ARGV[at] == "auto" and not isKnown
  local keeps = tonumber(fields[14] or "0") > nowMs
  local canGoAhead = keeps and nowMs >= tonumber(fields[13] or "0") + windowMs
  local keptFreeAt = math.min(tonumber(fields[15] or "0"), nowMs + furthestMs)
  for order, name in ipairs(limitNames) do
    local limit = ARGV[at + order - 1]
    if limit == "auto" then
      limit = fields[4 + order] or (order == 1 and isUnknown and unknownPerMinute)
    end
    local perMinute = tonumber(limit or "0")
    if perMinute > 0 then
      local depth = perMinute / 100
      if order == 1 then
        depth = math.max(1, depth)
      end
      local kept = 0
      if keeps and (order > 1 or perMinute >= fewestToKeep) then
        kept = order == 1 and 1 or depth
      end
      local perMs = (perMinute - depth - kept + (order == 1 and 1 or 0)) / 60000
      local depthMs = depth / perMs
      -- What Redis does not know counts as an empty bucket, so that no restart multiplies a limit.
      local earned = limit == unknownPerMinute and nowMs or nowMs + depthMs
      if fields[order] then
        earned = math.min(tonumber(fields[order]), nowMs + depthMs + furthestMs)
      end
      if pausedUntil > nowMs then
        earned = math.max(earned, pausedUntil + depthMs)
      end
      buckets[#buckets + 1] = { name = name, order = order, at = earned, perMs = perMs, depthMs = depthMs,
        kept = kept }
    end
  end

  local pace = {}

  local function charge(costs, starts)
    for _, bucket in ipairs(buckets) do
      local costMs = math.min(costs[bucket.order] / bucket.perMs, bucket.depthMs + furthestMs)
      bucket.at = math.max(bucket.at, starts) + costMs
    end
    return { delayMs = starts - nowMs, input = costs[3], output = costs[4] }
  end

  --- `stood`: the row has stood in line. `onlineMs`: of an online call, how long it may wait; nil for rows. Returns
  --- { delayMs, input, output } of a row that has its turn, else { laterMs, reason }.
  function pace.reserve(payload, stood, expectedOutput, onlineMs)
    local input, most = string.match(payload, '^{"weight":%[(%d+),(%d+)')
    input = math.ceil(tonumber(input or #payload / 4) * factor)
    most = tonumber(most or 0)
    if most == 0 then
      most = modelMost
    end
    local output = chargesMost and most or math.min(expectedOutput, most)
    local costs = { 1, input + output, input, output }
    local turn, starts, reason = pausedUntil, math.max(nowMs, pausedUntil), "paused"
    local longestMs = 0
    local isKept = canGoAhead
    for _, bucket in ipairs(buckets) do
      isKept = isKept and costs[bucket.order] <= bucket.kept
      local costMs = math.min(costs[bucket.order] / bucket.perMs, bucket.depthMs + furthestMs)
      -- Every row is one request; what else it costs does not decide when its turn comes.
      local turnOfBucket = bucket.at - bucket.depthMs + (bucket.order == 1 and costMs or 0)
      if turnOfBucket > turn then
        turn = turnOfBucket
        reason = bucket.name
      end
      starts = math.max(starts, bucket.at - math.max(0, bucket.depthMs - costMs))
      longestMs = math.max(longestMs, costMs)
    end
    if pausedUntil > nowMs then
      reason = "paused"
    end
    if onlineMs then
      local inTurn = starts
      if isKept then
        starts = math.min(starts, math.max(nowMs, pausedUntil, keptFreeAt))
      end
      if starts > nowMs + onlineMs then
        return { laterMs = starts - nowMs, reason = reason }
      end
      if starts < inTurn then
        keptFreeAt = inTurn
      end
      return charge(costs, starts)
    end
    -- Those in line come first, unless they are late and the horizon runs empty.
    local reachMs = stood and horizonMs or line > nowMs and horizonMs / 4 or horizonMs / 2
    if turn > nowMs + reachMs then
      if isUnknown and pausedUntil <= nowMs then
        return { laterMs = unknownLaterMs, reason = "unknown" }
      end
      local opensMs = turn - nowMs - horizonMs / 2
      if stood and opensMs <= horizonMs then
        return { laterMs = math.max(1, opensMs), reason = reason }
      end
      line = math.max(line, nowMs + math.max(1, opensMs))
      local laterMs = line - nowMs
      line = line + longestMs
      return { laterMs = laterMs, reason = reason }
    end
    return charge(costs, starts)
  end

  --- Milliseconds that a request and a token cost: requests, tokens, input, output; 0 without such a limit.
  function pace.msPerToken()
    local ms = { 0, 0, 0, 0 }
    for _, bucket in ipairs(buckets) do
      ms[bucket.order] = 1 / bucket.perMs
    end
    return string.format("%.9f %.9f %.9f %.9f", ms[1], ms[2], ms[3], ms[4])
  end

  --- Why a row has to wait, in the words for the display.
  function pace.words(reason)
    return reason == "paused" and fields[11] or reason
  end

  function pace.save()
    if #buckets == 0 then
      return
    end
    local changes = { "line", string.format("%.3f", line) }
    if keeps then
      changes[3], changes[4] = "kept", string.format("%.3f", keptFreeAt)
    end
    for _, bucket in ipairs(buckets) do
      changes[#changes + 1] = bucket.name
      changes[#changes + 1] = string.format("%.3f", bucket.at)
    end
    redis.call("HSET", key, unpack(changes))
    redis.call("PEXPIRE", key, string.format("%d", math.max(keptMs, pausedUntil - nowMs + keptMs)))
  end

  return pace
end
