#!lua
--[[
  Keeps something of a limit for online calls, see pace.lua: said with each heartbeat by a process that serves them. Rows
  everywhere go by it, until it has been silent for a while. Atomic, as what is kept can be used only after a minute
  without a gap.

  KEYS[1] pace hash of a scope   ARGV[1] ms for which it holds
]]
local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local keptMs = 86400000
local keptUntil = redis.call("HGET", KEYS[1], "keptUntil")
if not keptUntil or tonumber(keptUntil) <= nowMs then
  redis.call("HSET", KEYS[1], "keptSince", string.format("%d", nowMs))
end
redis.call("HSET", KEYS[1], "keptUntil", string.format("%d", nowMs + tonumber(ARGV[1])))
if redis.call("PTTL", KEYS[1]) < keptMs then
  redis.call("PEXPIRE", KEYS[1], keptMs)
end
return 1
