#!lua flags=no-writes
--[[
  What is to be shown of rows in the window: the beginning of each payload, as the whole may hold megabytes of pictures,
  and what is known of its moves.

  KEYS[1] payloads hash   KEYS[2] moves hash   ARGV rows
  Returns for each row: the first bytes of its payload ("" = not in the window), its moves ("" = none).
]]
local headBytes = 2048
local answer = {}
for _, row in ipairs(ARGV) do
  answer[#answer + 1] = string.sub(redis.call("HGET", KEYS[1], row) or "", 1, headBytes)
  answer[#answer + 1] = redis.call("HGET", KEYS[2], row) or ""
end
return answer
