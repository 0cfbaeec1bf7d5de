#!lua
--[[
  What a provider said of a quota: by a 429, or in the headers of an answer. For the whole fleet.
  Atomic, so that a bucket is lowered by what is known of it at that moment.

  KEYS[1] pace hash of the scope
  ARGV[1] ms to pause for (0 = none)   ARGV[2] why   ARGV[3] horizon in ms
  ARGV[4..] three a limit: its name, allowed a minute, left now
]]
local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local keptMs = 86400000
local pauseMs = tonumber(ARGV[1])
if pauseMs > 0 then
  local before = tonumber(redis.call("HGET", KEYS[1], "pausedUntil") or "0")
  if nowMs + pauseMs > before then
    redis.call("HSET", KEYS[1], "pausedUntil", string.format("%.0f", nowMs + pauseMs), "reason", ARGV[2])
  end
end
for i = 4, #ARGV, 3 do
  local name, perMinute, left = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  redis.call("HSET", KEYS[1], "limit:" .. name, ARGV[i + 1])
  -- Less is left than what we would still send within the horizon: somebody else uses the same quota.
  local perMs = perMinute / 60000
  -- The bucket as openPace has it: a hundredth, one request at least.
  local depth = name == "requests" and math.max(1, perMinute / 100) or perMinute / 100
  local at = nowMs + ARGV[3] + (depth - left) / perMs
  local before = redis.call("HGET", KEYS[1], name)
  if before and at > tonumber(before) then
    redis.call("HSET", KEYS[1], name, string.format("%.3f", at))
  end
end
local furthestMs = math.max(keptMs, pauseMs + keptMs)
if redis.call("PTTL", KEYS[1]) < furthestMs then
  redis.call("PEXPIRE", KEYS[1], string.format("%d", furthestMs))
end
return 1
