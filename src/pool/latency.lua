#!lua flags=allow-oom
--[[
  Adds what a process measured to the fleet's mean latency of each model, and says what all of them are now.
  Old measurements count half after every half-life, so that the mean follows a server that became slower.
  Atomic, because every process of a fleet adds to the same means.

  KEYS[1] latencies hash: alias -> "meanMs:weight:atMs"
  ARGV[1] half-life in ms   ARGV[2..] three a model: alias, number of answers, their ms together
  Returns pairs: alias, mean in ms.
]]
local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for i = 2, #ARGV, 3 do
  local calls, totalMs = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local mean, weight, atMs = string.match(redis.call("HGET", KEYS[1], ARGV[i]) or "", "([^:]+):([^:]+):([^:]+)")
  local kept = mean and tonumber(weight) * 0.5 ^ (math.max(0, nowMs - tonumber(atMs)) / tonumber(ARGV[1])) or 0
  local newWeight = kept + calls
  local newMean = ((tonumber(mean) or 0) * kept + totalMs) / newWeight
  redis.call("HSET", KEYS[1], ARGV[i], string.format("%.3f:%.3f:%d", newMean, newWeight, nowMs))
end
if #ARGV > 1 then
  -- A fleet that is not used any more leaves nothing behind.
  redis.call("EXPIRE", KEYS[1], 2592000)
end
local all = redis.call("HGETALL", KEYS[1])
local answer = {}
for i = 1, #all, 2 do
  answer[#answer + 1] = all[i]
  answer[#answer + 1] = string.match(all[i + 1], "^[^:]+")
end
return answer
