#!lua flags=allow-oom
--[[
  What a tier has spent today, as a ledger file and Redis know it together. What Redis has forgotten is restored, with
  what was reserved then as spent, since nobody can settle it any more. Atomic, so that two who remember do not add up.

  KEYS[1] spend hash of the tier
  ARGV[1] day of the file (since 1970), ARGV[2] spent and ARGV[3] reserved on it, in billionths of a dollar
  Returns {day, spent, reserved} of today.
]]
local day = string.format("%d", math.floor(tonumber(redis.call("TIME")[1]) / 86400))
local isToday = ARGV[1] == day
local sums = redis.call("HMGET", KEYS[1], day .. ":spent", day .. ":reserved")
local spent, reserved = tonumber(sums[1] or "-1"), tonumber(sums[2] or "0")
local fileSpent = isToday and tonumber(ARGV[2]) or 0
if spent < 0 then
  spent = fileSpent + (isToday and tonumber(ARGV[3]) or 0)
elseif fileSpent > spent + reserved then
  -- Spent sums only grow: somebody who did not remember was first.
  spent = fileSpent
end
redis.call("HSET", KEYS[1], day .. ":spent", string.format("%.0f", spent))
for _, field in ipairs(redis.call("HKEYS", KEYS[1])) do
  if tonumber(string.match(field, "^%d+")) < tonumber(day) - 1 then
    redis.call("HDEL", KEYS[1], field)
  end
end
redis.call("EXPIRE", KEYS[1], 3 * 86400)
return { day, string.format("%.0f", spent), string.format("%.0f", reserved) }
