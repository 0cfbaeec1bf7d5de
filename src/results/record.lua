#!lua flags=allow-oom
--[[
  Records results and settles calls of one batch. Many rows in one round trip.
  Atomic, because the done bit and the result in the stream must never be seen apart. Runs at maxmemory too
  (allow-oom): a script that frees memory must not be refused for the lack of it.

  KEYS[1] batch    hash      KEYS[2] done     bitmap    KEYS[3] payloads hash
  KEYS[4] moves    hash      KEYS[5] calls    hash      KEYS[6] results  stream
  ARGV[1] generation
  ARGV[2..] four a row: index, call id ("process number", or "" for the owner's own records), action, argument
    record  argument = the result line    set the done bit; only if it was clear append the result, drop the payload
    release argument = "0" | "1"          the call ended without a result; 1 counts an attempt of the row's own
    withdraw                              set the done bit without a result, unless it is in a call; drop the payload
    move    argument = "hop:position"     the row goes to its next model, if it is still at that hop
            of both "?" at the end        nobody knows how the call ended: the row counts as asked again
  For rows with terms, after settle.lua: KEYS[7] pace hash of their scope, KEYS[8] leases hash of the tier, KEYS[9] spend hash of the
  batch, KEYS[10] spend hash of the tier; ARGV[2] process, ARGV[3] calls of the tier that it holds now ("" = not
  counted); ARGV[4..] six a row: also "LIMIT ms LIMIT ms …", by how much the call's tokens were charged too little or
  too much, and what it has cost in billionths of a dollar ("" = nobody knows). Settled once a call, whoever was first.
  Returns one number a row: 1 done as asked, 0 somebody was first or the row is elsewhere by now; or false when the
  batch is unknown.
  All results of a call make one entry of the stream, its fields the rows and its values their lines; what is removed is
  removed at the end, in one command a key: a command costs more than a row.
]]
local batch = redis.call("HMGET", KEYS[1], "state", "generation")
if not batch[1] then
  return false
end
local current = batch[1] ~= "ended" and batch[2] == ARGV[1]
local function moveOf(index)
  local move = redis.call("HGET", KEYS[4], index)
  if not move then
    return 0, 0, 0, 0
  end
  local hop, attempts, position, crashes = string.match(move, "^(%d+):(%d+):(%d+):?(%d*)$")
  return tonumber(hop), tonumber(attempts), tonumber(position), tonumber(crashes) or 0
end
local function setMove(index, hop, attempts, position, crashes)
  local suspicion = crashes > 0 and (":" .. crashes) or ""
  redis.call("HSET", KEYS[4], index, hop .. ":" .. attempts .. ":" .. position .. suspicion)
end

local first, stride = 2, 4
if KEYS[7] then
  first, stride = 4, 6
  if ARGV[3] ~= "" then
    redis.call("HSET", KEYS[8], ARGV[2], ARGV[3])
  end
end
local indexes = {}
for i = first, #ARGV, stride do
  indexes[#indexes + 1] = ARGV[i]
end
local calls = redis.call("HMGET", KEYS[5], unpack(indexes))

local answers = {}
local settled = {}
local removed = {}
local entry = {}
local askedAgain = 0
for i = first, #ARGV, stride do
  local index, call, action, argument = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local answer = 0
  local givenUp = false
  if KEYS[7] and call ~= "" then
    settleCost(KEYS[9], KEYS[10], call, ARGV[i + 5])
  end
  if call ~= "" and calls[(i - first) / stride + 1] == call then
    settled[#settled + 1] = index
    if KEYS[7] then
      correctPace(KEYS[7], ARGV[i + 4])
    end
  elseif call ~= "" then
    givenUp = true
  end
  if current then
    if action == "record" then
      if redis.call("SETBIT", KEYS[2], index, 1) == 0 then
        removed[#removed + 1] = index
        entry[#entry + 1] = index
        entry[#entry + 1] = argument
        answer = 1
      end
    elseif action == "withdraw" then
      if not calls[(i - first) / stride + 1] and redis.call("SETBIT", KEYS[2], index, 1) == 0 then
        removed[#removed + 1] = index
        answer = 1
      end
    elseif redis.call("GETBIT", KEYS[2], index) == 0 then
      local hop, attempts, position, crashes = moveOf(index)
      if givenUp and crashes > 0 then
        -- Its process was only silent: the row has not killed it.
        crashes = crashes - 1
        setMove(index, hop, attempts, position, crashes)
      end
      -- Of a call that was given up the gate has seen that it is made again.
      if not givenUp and call ~= "" and batch[1] == "open" and string.sub(argument, -1) == "?" then
        askedAgain = askedAgain + 1
      end
      if action == "release" then
        answer = 1
        if string.sub(argument, 1, 1) == "1" then
          setMove(index, hop, attempts + 1, position, crashes)
        end
      elseif action == "move" then
        local atHop, toPosition = string.match(argument, "(%d+):(%d+)")
        if tonumber(atHop) == hop then
          setMove(index, hop + 1, 0, toPosition, crashes)
          answer = 1
        end
      end
    end
  end
  answers[#answers + 1] = answer
end
if askedAgain > 0 then
  redis.call("HINCRBY", KEYS[1], "askedAgain", askedAgain)
end
if #settled > 0 then
  redis.call("HDEL", KEYS[5], unpack(settled))
end
if #entry > 0 then
  redis.call("XADD", KEYS[6], "*", unpack(entry))
end
if #removed > 0 then
  redis.call("HDEL", KEYS[3], unpack(removed))
  redis.call("HDEL", KEYS[4], unpack(removed))
end
return answers
