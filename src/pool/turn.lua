#!lua
--[[
  The turn of a call that no batch holds: an online call, or a job of a plain BullMQ producer. Comes after pace.lua,
  leases.lua and budget.lua. Of the call only its weight is told, no prompt.

  KEYS[1] pace hash of its scope   KEYS[2] leases hash of the tier   KEYS[3] spend hash of calls without a batch
  KEYS[4] spend hash of the tier   KEYS[5] processes sorted set
  ARGV[1] process id   ARGV[2] ms after which a silent process counts as dead   ARGV[3] call number
  ARGV[4..11] see openPace   ARGV[12..13] see openLeases   ARGV[14..18] see openBudget
  ARGV[19] the beginning of the payload, with its weight   ARGV[20] "1" when it has stood in line
  ARGV[21] output tokens that are expected   ARGV[22] of an online call how long it may wait, in ms, else ""
  Returns { "turn", delayMs, input and output tokens charged, milliseconds a request and a token cost } or
  { "paced", delayMs, paused, reason }
]]
local time = redis.call("TIME")
local nowMs = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local deadBefore = nowMs - tonumber(ARGV[2])
local function isAlive(process)
  local beat = redis.call("ZSCORE", KEYS[5], process)
  return (beat and tonumber(beat) > deadBefore) or false
end
local pace = openPace(KEYS[1], nowMs, 4)
local leases = openLeases(KEYS[2], ARGV[1], 12, isAlive)
local budget = openBudget(KEYS[3], KEYS[4], nowMs, 14, isAlive)
local turn = leases.refusal() or budget.refusal(ARGV[19])
  or pace.reserve(ARGV[19], ARGV[20] == "1", tonumber(ARGV[21]), tonumber(ARGV[22]))
if turn.delayMs then
  leases.take()
  budget.take(ARGV[1] .. " " .. ARGV[3])
end
pace.save()
leases.save()
budget.save()
if turn.delayMs then
  return { "turn", math.ceil(turn.delayMs), turn.input, turn.output, pace.msPerToken() }
end
return { "paced", math.ceil(turn.laterMs), turn.reason == "paused" and 1 or 0, pace.words(turn.reason) }
