#!lua
--[[
  Leases: how many calls of a tier are in flight over all processes. Comes before gate.lua, for rows of a tier with
  `maxConcurrency`.

  The hash of a tier: process id → calls that it holds. Each process says its own number with whatever it asks or
  records, so that nothing is counted twice, and a dead one's number goes with its heartbeat.
]]
local leaseKeptMs = 86400000

--- Opens the leases of one call. `at` = the index in ARGV of: most calls of the tier at once (0 = any), calls that this
--- process holds without those of this question.
local function openLeases(key, process, at, isAlive)
  local most, own = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local others = 0
  if most > 0 then
    local held = redis.call("HGETALL", key)
    for i = 1, #held, 2 do
      if held[i] ~= process then
        if isAlive(held[i]) then
          others = others + tonumber(held[i + 1])
        else
          redis.call("HDEL", key, held[i])
        end
      end
    end
  end
  local leases = {}

  --- Why one more call has to wait, or nil.
  function leases.refusal()
    if most > 0 and others + own + 1 > most then
      return { laterMs = 100, reason = "slots" }
    end
    return nil
  end

  function leases.take()
    own = own + 1
  end

  function leases.save()
    if most > 0 then
      redis.call("HSET", key, process, own)
      redis.call("PEXPIRE", key, leaseKeptMs)
    end
  end

  return leases
end
