#!lua
--[[
  Puts the payloads of rows of one batch into the window and says under which hop each is to be queued.
  Atomic, so that a row that was recorded meanwhile is not fed, and a row fed before gets a new job id.

  KEYS[1] batch hash   KEYS[2] done bitmap   KEYS[3] payloads hash   KEYS[4] moves hash
  ARGV[1] epoch of the owner
  ARGV[2..] three a row: index, payload, "1" when the row may have been fed before (resume, sweep, rebuild)
  Returns one "hop:position" a row, "" for a row that is already recorded; or false when the epoch is not the owner's.
]]
if redis.call("HGET", KEYS[1], "epoch") ~= ARGV[1] then
  return false
end
local placings = {}
local payloads = {}
for i = 2, #ARGV, 3 do
  local index, payload, again = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call("GETBIT", KEYS[2], index) == 1 then
    placings[#placings + 1] = ""
  elseif again == "0" then
    payloads[#payloads + 1] = index
    payloads[#payloads + 1] = payload
    placings[#placings + 1] = "0:0"
  else
    local hop, rest = "0", "0:0"
    local move = redis.call("HGET", KEYS[4], index)
    if move then
      hop, rest = string.match(move, "^(%d+):(.*)$")
    end
    payloads[#payloads + 1] = index
    payloads[#payloads + 1] = payload
    redis.call("HSET", KEYS[4], index, (tonumber(hop) + 1) .. ":" .. rest)
    placings[#placings + 1] = (tonumber(hop) + 1) .. ":" .. string.match(rest, "^%d+:(%d+)")
  end
end
if #payloads > 0 then
  redis.call("HSET", KEYS[3], unpack(payloads))
end
return placings
