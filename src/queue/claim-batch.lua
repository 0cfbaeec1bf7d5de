#!lua flags=allow-oom
--[[
  Makes a process the owner of a batch, and fences the one before it by a higher epoch. That no other living process
  owns it is what the output's lock file says; a frozen owner that wakes up later is stopped by the epoch.
  Atomic, so that two processes can never both believe to own a batch under the same epoch.

  KEYS[1] batch hash   KEYS[2] done bitmap   KEYS[3] open batches set
  KEYS[4] payloads     KEYS[5] moves         KEYS[6] calls            KEYS[7] results
  ARGV[1] batch id     ARGV[2] process id    ARGV[3] lowest epoch allowed (one above any on disk)
  ARGV[4] generation   ARGV[5] incarnation   ARGV[6] models (JSON)
  ARGV[7] bitmap of the rows whose results are on disk
  ARGV[8] "1" when Redis came back as somebody else under this owner: gates wait until pools have had time to record
          the answers that they hold
  ARGV[9] "1" when a new generation keeps the answers of the old one that are on their way to disk (--retry-failed)
  Returns {epoch, row, row, …}: the rows that have a payload, so may have been placed before.
]]
local before = redis.call("HGET", KEYS[1], "generation")
if before and before ~= ARGV[4] then
  -- A new generation asks rows again that had a result: nothing of the old one may be mistaken for it.
  redis.call("UNLINK", KEYS[4], KEYS[5], KEYS[6])
  if ARGV[9] ~= "1" then
    redis.call("UNLINK", KEYS[7])
  end
  for _, entry in ipairs(redis.call("XRANGE", KEYS[7], "-", "+")) do
    local fields, kept = entry[2], {}
    for at = 1, #fields, 2 do
      local isJson, result = pcall(cjson.decode, fields[at + 1])
      if isJson and result.status == "answered" then
        kept[#kept + 1] = fields[at]
        kept[#kept + 1] = fields[at + 1]
      end
    end
    if #kept < #fields then
      redis.call("XDEL", KEYS[7], entry[1])
      if #kept > 0 then
        redis.call("XADD", KEYS[7], "*", unpack(kept))
      end
    end
  end
end
local epoch = math.max(tonumber(redis.call("HGET", KEYS[1], "epoch") or "0") + 1, tonumber(ARGV[3]))
redis.call("HSET", KEYS[1], "state", "open", "owner", ARGV[2], "epoch", epoch, "generation", ARGV[4],
  "incarnation", ARGV[5], "models", ARGV[6])
redis.call("PERSIST", KEYS[1])
if ARGV[8] == "1" then
  redis.call("HSET", KEYS[1], "rebuiltAt", redis.call("TIME")[1])
else
  redis.call("HDEL", KEYS[1], "rebuiltAt")
end
-- Done is what is on disk or on its way there. A bit beyond that is of a result that was lost, as a power cut or a
-- removed segment can do; its row would be waited for for ever.
redis.call("DEL", KEYS[2])
if #ARGV[7] > 0 then
  redis.call("SET", KEYS[2], ARGV[7])
end
local from = "-"
repeat
  local entries = redis.call("XRANGE", KEYS[7], from, "+", "COUNT", 100)
  for _, entry in ipairs(entries) do
    for at = 1, #entry[2], 2 do
      redis.call("SETBIT", KEYS[2], entry[2][at], 1)
    end
    from = "(" .. entry[1]
  end
until #entries < 100
redis.call("SADD", KEYS[3], ARGV[1])
local answer = { epoch }
for _, row in ipairs(redis.call("HKEYS", KEYS[4])) do
  answer[#answer + 1] = tonumber(row)
end
return answer
