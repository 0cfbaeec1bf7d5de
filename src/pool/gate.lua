#!lua
--[[
  The gate: may these rows of one batch be asked now? Many rows in one round trip.
  Atomic, because between "is it recorded, does somebody else hold it" and "it is mine" nobody may step in.

  KEYS[1] batch    hash      KEYS[2] done     bitmap    KEYS[3] payloads hash
  KEYS[4] moves    hash      KEYS[5] calls    hash      KEYS[6] processes sorted set
  ARGV[1] process id         ARGV[2] incarnation of Redis that this process knows
  ARGV[3] ms after which a silent process counts as dead
  ARGV[4..] three a row: index, "generation:hop", reservation number
  For rows with terms (limits, a tier's maxConcurrency, a budget), after pace.lua, leases.lua and budget.lua:
  KEYS[7] pace hash of their scope   KEYS[8] leases hash of the tier   KEYS[9] spend hash of the batch
  KEYS[10] spend hash of the tier
  ARGV[4..11] see openPace   ARGV[12..13] see openLeases   ARGV[14..18] see openBudget
  ARGV[19..] five a row: also "1" when it has stood in line, and the output tokens that are expected
  Returns one list a row, its first element the verdict:
    drop                            batch unknown or ended, no owner alive, or an old generation
    done                            already recorded
    moved, hop, attempts, position, payload   the row is at a later hop
    missing                         no payload: the owner will feed it again
    ended                           cancelled or past its deadline: the owner records the end
    held, delayMs                   another living process has it in a call
    rebuilding, delayMs             Redis came back as somebody else: the owner has not rebuilt it yet, or only just
    paced, delayMs, paused, reason  its terms or a pause let it wait: it is to ask again then, as one who has stood in line
    admitted, attempts, position, crashes, payload   crashes: processes that died while the row was in a call of theirs;
                                    with terms also: delayMs until it may start, input and output tokens charged,
                                    milliseconds a request and a token cost
]]
local batch = redis.call("HMGET", KEYS[1], "state", "generation", "incarnation", "owner", "rebuiltAt", "hasBudget")
local state, generation, incarnation, owner, rebuiltAt = batch[1], batch[2], batch[3], batch[4], batch[5]
local time = redis.call("TIME")
-- A pool is back on Redis within a second after its owner, and records first what it holds.
local rebuilding = incarnation ~= ARGV[2] or (rebuiltAt and tonumber(time[1]) - tonumber(rebuiltAt) < 3)
  -- A process that has not heard of the batch's budget yet must not ask past it.
  or (batch[6] == "1" and not KEYS[7])
local deadBefore = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[3])
local alive = {}
local function isAlive(process)
  if alive[process] == nil then
    local beat = redis.call("ZSCORE", KEYS[6], process)
    alive[process] = (beat and tonumber(beat) > deadBefore) or false
  end
  return alive[process]
end
local usable = state and state ~= "ended" and owner and isAlive(owner)

local first, stride = 4, 3
local pace, leases, budget
if KEYS[7] then
  first, stride = 19, 5
  local nowMs = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
  pace = openPace(KEYS[7], nowMs, 4)
  leases = openLeases(KEYS[8], ARGV[1], 12, isAlive)
  budget = openBudget(KEYS[9], KEYS[10], nowMs, 14, isAlive)
end

local verdicts = {}
local admitted = {}
local suspected = {}
-- Two calls of one row may ask in the same turn: the first of them has it.
local admittedCall = {}
local indexes = {}
for i = first, #ARGV, stride do
  indexes[#indexes + 1] = ARGV[i]
end
local moves = redis.call("HMGET", KEYS[4], unpack(indexes))
local calls = redis.call("HMGET", KEYS[5], unpack(indexes))
local payloads = redis.call("HMGET", KEYS[3], unpack(indexes))
for i = first, #ARGV, stride do
  local index = ARGV[i]
  local order = (i - first) / stride + 1
  local rowGeneration, rowHop = string.match(ARGV[i + 1], "(%d+):(%d+)")
  local verdict
  if not usable or rowGeneration ~= generation then
    verdict = { "drop" }
  elseif rebuilding then
    verdict = { "rebuilding", 500 }
  elseif redis.call("GETBIT", KEYS[2], index) == 1 then
    verdict = { "done" }
  else
    local hop, attempts, position, crashes = "0", "0", "0", "0"
    local move = moves[order]
    if move then
      hop, attempts, position, crashes = string.match(move, "^(%d+):(%d+):(%d+):?(%d*)$")
    end
    crashes = tonumber(crashes) or 0
    local payload = payloads[order]
    if not payload then
      verdict = { "missing" }
    elseif tonumber(rowHop) ~= tonumber(hop) then
      verdict = { "moved", hop, attempts, position, payload }
    elseif state ~= "open" then
      verdict = { "ended" }
    else
      local call = admittedCall[index] or calls[order]
      local own = ARGV[1] .. " " .. ARGV[i + 2]
      local caller = call and string.match(call, "^(%S+)")
      -- A process asks for a row that it is not at: another call of its own is one that Redis, rolled back, knows again.
      local isForgotten = caller == ARGV[1] and not admittedCall[index]
      if call and not isForgotten and isAlive(caller) then
        verdict = { "held", 1000 }
      else
        local turn = pace
          and (leases.refusal() or budget.refusal(payload)
            or pace.reserve(payload, ARGV[i + 3] == "1", tonumber(ARGV[i + 4])))
        if turn and turn.laterMs then
          verdict = { "paced", math.ceil(turn.laterMs), turn.reason == "paused" and 1 or 0, pace.words(turn.reason) }
        else
          if call and call ~= own then
            redis.call("HINCRBY", KEYS[1], "askedAgain", 1)
            if not isForgotten then
              crashes = crashes + 1
              suspected[#suspected + 1] = index
              suspected[#suspected + 1] = hop .. ":" .. attempts .. ":" .. position .. ":" .. crashes
            end
          end
          admitted[#admitted + 1] = index
          admitted[#admitted + 1] = own
          admittedCall[index] = own
          verdict = { "admitted", attempts, position, crashes, payload }
          if turn then
            leases.take()
            budget.take(own)
            verdict = { "admitted", attempts, position, crashes, payload, math.ceil(turn.delayMs), turn.input,
              turn.output, pace.msPerToken() }
          end
        end
      end
    end
  end
  verdicts[#verdicts + 1] = verdict
end
if #admitted > 0 then
  redis.call("HSET", KEYS[5], unpack(admitted))
end
if #suspected > 0 then
  redis.call("HSET", KEYS[4], unpack(suspected))
end
if pace then
  pace.save()
  leases.save()
  budget.save()
end
return verdicts
