#!lua flags=allow-oom
--[[
  Adds what a process counted since it last did to the fleet's sums.
  Atomic, so that whoever reads them sees a call's count and its tokens together.

  KEYS[1] metrics hash: counter -> sum
  ARGV pairs: counter, whole number to add
]]
for i = 1, #ARGV, 2 do
  redis.call("HINCRBY", KEYS[1], ARGV[i], ARGV[i + 1])
end
-- A fleet that is not used any more leaves nothing behind.
redis.call("EXPIRE", KEYS[1], 2592000)
