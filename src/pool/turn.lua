#!lua
--[[
  The pace for a row that no batch holds (a job of a plain BullMQ producer). Comes after pace.lua.

  KEYS[1] pace hash of the scope   ARGV[1..8] see openPace   ARGV[9] the row's payload   ARGV[10] "1" when it has stood
  in line   ARGV[11] output tokens that are expected
  Returns { "turn", delayMs } or { "paced", delayMs, paused, reason }
]]
local time = redis.call("TIME")
local pace = openPace(KEYS[1], tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000, 1)
local turn = pace.reserve(ARGV[9], ARGV[10] == "1", tonumber(ARGV[11]))
pace.save()
if turn.delayMs then
  return { "turn", math.ceil(turn.delayMs) }
end
return { "paced", math.ceil(turn.laterMs), turn.reason == "paused" and 1 or 0, pace.words(turn.reason) }
