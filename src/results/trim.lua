#!lua flags=allow-oom
--[[
  Drops results that are on disk from the stream, unless a later owner has taken over (it may still need them).
  Atomic, so that no takeover falls between the check of the epoch and the trim.

  KEYS[1] batch hash   KEYS[2] results stream
  ARGV[1] epoch of the owner   ARGV[2] id of the first entry to keep
  Returns 1, or 0 when the epoch is not the owner's any more.
]]
if redis.call("HGET", KEYS[1], "epoch") ~= ARGV[1] then
  return 0
end
redis.call("XTRIM", KEYS[2], "MINID", ARGV[2])
return 1
