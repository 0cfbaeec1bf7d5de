#!lua flags=allow-oom
--[[
  One beat of a process: it is alive, and this is what it says of itself. Says who else is.
  Atomic, so that every process divides the same list.

  KEYS[1] processes sorted set   KEYS[2] pools hash
  ARGV[1] process id   ARGV[2] JSON: its tiers, and what it says of each   ARGV[3] ms after which a silent process counts as dead
  Returns pairs: process id, what it said, of the living, sorted by id.
]]
local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call("ZADD", KEYS[1], nowMs, ARGV[1])
redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
for _, dead in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", nowMs - tonumber(ARGV[3]) * 10)) do
  redis.call("ZREM", KEYS[1], dead)
  redis.call("HDEL", KEYS[2], dead)
end
local living = redis.call("ZRANGEBYSCORE", KEYS[1], nowMs - tonumber(ARGV[3]), "+inf")
table.sort(living)
local answer = {}
for _, process in ipairs(living) do
  answer[#answer + 1] = process
  answer[#answer + 1] = redis.call("HGET", KEYS[2], process) or '{"tiers":{},"failures":[],"rows":{}}'
end
return answer
