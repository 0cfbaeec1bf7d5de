#!lua flags=allow-oom
--[[
  Settles a call that no batch holds, whose turn turn.lua gave. Comes after settle.lua.

  KEYS[1] pace hash of its scope   KEYS[2] leases hash of the tier   KEYS[3] spend hash of calls without a batch
  KEYS[4] spend hash of the tier
  ARGV[1] process   ARGV[2] calls of the tier that it holds now ("" = not counted)   ARGV[3] call ("process number")
  ARGV[4] corrections of the pace   ARGV[5] what it has cost in billionths of a dollar ("" = nobody knows)
]]
if ARGV[2] ~= "" then
  redis.call("HSET", KEYS[2], ARGV[1], ARGV[2])
end
correctPace(KEYS[1], ARGV[4])
settleCost(KEYS[3], KEYS[4], ARGV[3], ARGV[5])
return 1
