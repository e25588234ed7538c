-- Orders the waiting runs; the first lines of commit.lua and places.lua.
-- KEYS: the waiting runs by turn, the turn of the latest claim by priority, the experiments with waiting runs
--
-- The runs of one experiment, those that were posted alone, and those that lost their worker are a participant each.
-- A participant's runs wait in order of age, at its next turns. Turns of different participants lie in common slots,
-- in which each participant has one turn, so that the participants alternate. A participant that begins to wait gets
-- the slot after that of the latest claim. The score of a run is its turn, less 2^42 for each step of its priority;
-- the turns of runs that lost their worker are below all others of their priority.
local claimable, turns, experiments = KEYS[1], KEYS[2], KEYS[3]
local SLOT = 1024
local PRIORITY = 4398046511104
local FIRST = 2199023255552

local function number(value) return string.format('%.0f', value) end

local function turn_of(run) return tonumber(redis.call('ZSCORE', claimable, run)) end

local function give_turn(run, turn) redis.call('ZADD', claimable, number(turn), run) end

local function latest_claim(participant)
  return tonumber(redis.call('HGET', turns, participant.priority) or FIRST - 1 - participant.priority * PRIORITY)
end

-- Returns the turn, or the first one after the latest claim: a participant does not save up turns while it is held.
local function not_past(participant, turn)
  local latest = latest_claim(participant)
  if participant.recovered or turn > latest then return turn end
  local present = latest - latest % SLOT + turn % SLOT
  return present > latest and present or present + SLOT
end

local function first_turn(participant)
  if participant.recovered then return SLOT - participant.priority * PRIORITY end
  local latest = latest_claim(participant)
  local slot = latest - latest % SLOT + SLOT
  local last = redis.call('ZREVRANGEBYSCORE', claimable, '(' .. number(slot + SLOT), number(slot), 'WITHSCORES',
    'LIMIT', 0, 1)
  return last[2] and tonumber(last[2]) + 1 or slot
end

-- Adds a run to its participant at its place by age; the younger runs move back by a turn each.
local function join(participant, run, order)
  redis.call('ZADD', participant.key, number(order), run)
  local rank = redis.call('ZRANK', participant.key, run)
  local moved = redis.call('ZRANGE', participant.key, rank, -1)
  local free
  if rank + #moved == 1 then
    free = first_turn(participant)
  else
    local last = #moved > 1 and moved[#moved] or redis.call('ZRANGE', participant.key, rank - 1, rank - 1)[1]
    free = not_past(participant, turn_of(last) + SLOT)
  end
  for index = #moved, 2, -1 do
    local own = turn_of(moved[index])
    give_turn(moved[index], free)
    free = own
  end
  give_turn(run, free)
end

-- Removes a run that is not claimed; the younger runs of its participant move forward by a turn each.
local function leave(participant, run)
  local rank = redis.call('ZRANK', participant.key, run)
  if not rank then return end
  local free = turn_of(run)
  for _, younger in ipairs(redis.call('ZRANGE', participant.key, rank + 1, -1)) do
    local own = turn_of(younger)
    give_turn(younger, free)
    free = own
  end
  redis.call('ZREM', participant.key, run)
  redis.call('ZREM', claimable, run)
end

-- Removes a run that is claimed. If its participant was held for a while, its other runs do not make up for that.
local function take(participant, run)
  local turn = turn_of(run)
  redis.call('ZREM', participant.key, run)
  redis.call('ZREM', claimable, run)
  if not turn or participant.recovered then return end
  local present = not_past(participant, turn)
  redis.call('HSET', turns, participant.priority, number(present))
  if present == turn then return end
  for _, other in ipairs(redis.call('ZRANGE', participant.key, 0, -1)) do
    present = present + SLOT
    if turn_of(other) >= present then return end
    give_turn(other, present)
  end
end

-- Returns the request that holds an experiment back or false, the number of its running runs, and their limit or false.
local function state_of(experiment)
  local fields = redis.call('HMGET', experiment.key, 'request', 'max_running')
  local request = fields[1] and fields[1] ~= 'null' and cjson.decode(fields[1])
  return request, redis.call('ZCARD', experiment.running), tonumber(fields[2]) or false
end

local function is_held(request, running, limit) return request or (limit and running >= limit) end

-- Returns the experiment in a run's field, if it has one that can be read.
local function experiment_in(text)
  local is_read, cell = pcall(cjson.decode, text or 'null')
  return is_read and type(cell) == 'table' and cell.id or nil
end

-- Returns the number of a participant's runs and the turns of the first and the last one; nothing if it has none.
local function bounds_of(key)
  local first, last = redis.call('ZRANGE', key, 0, 0)[1], redis.call('ZRANGE', key, -1, -1)[1]
  if first then return {key = key, count = redis.call('ZCARD', key), first = turn_of(first), last = turn_of(last)} end
end

-- Returns how many of a participant's runs are before a turn.
local function count_before(turn, bounds)
  if turn <= bounds.first then return 0 end
  if turn > bounds.last then return bounds.count end
  -- Most participants have a run in each of their slots.
  if bounds.last - bounds.first == (bounds.count - 1) * SLOT then return math.ceil((turn - bounds.first) / SLOT) end
  local low, high = 1, bounds.count - 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if turn_of(redis.call('ZRANGE', bounds.key, middle, middle)[1]) < turn then low = middle + 1 else high = middle end
  end
  return low
end

-- The experiments of which no run can be claimed now, by their ids, each with its state and its participants; read when
-- the first run waits behind another one.
local held

local function read_held()
  held = {}
  for _, text in ipairs(redis.call('HVALS', experiments)) do
    local experiment = cjson.decode(text)
    local request, running, limit = state_of(experiment)
    if is_held(request, running, limit) then
      local participants = {}
      for _, key in ipairs(experiment.participants) do participants[#participants + 1] = bounds_of(key) end
      held[experiment.id] = {
        state = {experiment.id, request or '', running, limit or ''}, participants = participants}
    end
  end
end

-- Returns the number of runs that are claimed before a run, and the state of its experiment if that holds it back.
local function place_of(run, experiment)
  local ahead = redis.call('ZRANK', claimable, run)
  if not ahead then return false end
  if ahead == 0 and not experiment then return {ahead, {}} end
  if not held then read_held() end
  local turn = turn_of(run)
  for id, other in pairs(held) do
    for _, bounds in ipairs(id ~= experiment and other.participants or {}) do
      ahead = ahead - count_before(turn, bounds)
    end
  end
  return {ahead, held[experiment] and held[experiment].state or {}}
end
