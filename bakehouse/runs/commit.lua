-- Compares and sets one record or several: carries out all writes, or changes nothing and says why; with `skips`, carries
-- out those that it can. Follows queue.lua.
-- KEYS, after those of queue.lua: the change stream, all runs by creation, the workers, [the idempotency key]
-- ARGV[1]: JSON {token, idempotency, idempotency_ttl, changes_length, skips, asked}, which all writes share; `asked` is
--   false or {key, request}, the hash of an experiment and the request that it must still have
-- ARGV[2], ...: for each write JSON {key, log, run, actor, expected_token, fields, events, remove, add, delete, unset,
--   delete_log, sources, dependants, active, leaves, joins, is_claim, is_asked, experiment, replaces}; `leaves` and
--   `joins` are the participants {key, priority, recovered} in whose queues the run was and will be, or false;
--   `experiment` is false or {id, key, queued, running}, the hash and the indexes of the run's experiment; `replaces` is
--   false or {run, key, indexes}, the run whose place in the experiment the new run takes
-- Returns {outcome, Redis time in ms, seq, payload} of the first write, or of the one that is refused; depending on the
--   outcome, the payload is {number of workers, place in the queue} (of a new record), the present record, the value of
--   the idempotency key, the source run or data set that is missing, the dependants, or the run that was faster to
--   replace another one. With `skips`, the payload is the records whose writes were left out because they have changed.
local changes, runs, workers, idempotency = unpack(KEYS, 4)
local shared = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local ms = math.floor(clock[1] * 1000 + clock[2] / 1000)
local newest = 0
-- The runs that these writes delete.
local gone = {}

local function read(text)
  local write = cjson.decode(text)
  local stored = redis.call('HMGET', write.key, 'token', 'by_' .. write.actor, 'seq', 'order')
  write.token = stored[1]
  write.actors_token = stored[2]
  write.seq = tonumber(stored[3] or 0)
  write.order = tonumber(stored[4] or 0)
  return write
end

-- Returns why a write cannot be carried out, with what the caller has to know; nothing if it can.
local function refusal(write)
  if (write.token or '') ~= write.expected_token then
    return write.token and 'conflict' or 'absent', redis.call('HGETALL', write.key)
  end
  -- A run whose weights another run builds on cannot be deleted before that run, nor the data set of an unfinished run.
  for source, key in pairs(write.sources) do
    if redis.call('EXISTS', key) == 0 then return 'source_missing', source end
  end
  if write.dependants ~= '' then
    local dependants = {}
    for _, run in ipairs(redis.call('ZRANGE', write.dependants, 0, -1)) do
      if not gone[run] then dependants[#dependants + 1] = run end
    end
    if #dependants > 0 then return 'has_dependants', dependants end
  end
  for _, key in ipairs(write.active) do
    if redis.call('EXISTS', key) == 1 then return 'active', {} end
  end
  local rival = write.replaces and redis.call('HGET', write.replaces.key, 'replaced_by')
  if rival then return 'replaced', rival end
  if write.is_claim and write.experiment then
    local request, running, limit = state_of(write.experiment)
    -- A run that was itself asked to stop is claimed, so that it stops.
    if is_held(request and not write.is_asked, running, limit) then return 'held', {} end
  end
end

-- The order of creation is Redis's time in microseconds, or one more than the newest run's if the clock was set back.
local function new_order()
  local last = redis.call('ZREVRANGE', runs, 0, 0, 'WITHSCORES')
  newest = math.max(clock[1] * 1000000 + clock[2], tonumber(last[2] or 0) + 1, newest + 1)
  return newest
end

local function append(write)
  for _, event in ipairs(write.events) do
    write.seq = write.seq + 1
    redis.call('XADD', write.log, write.seq .. '-0', 'time', number(ms),
      'attempt', event.attempt, 'type', event.type, 'data', event.data)
    redis.call('XADD', changes, 'MAXLEN', '~', shared.changes_length, '*', 'run', write.run, 'seq', write.seq)
  end
end

local function set(write)
  local fields = {'token', shared.token, 'by_' .. write.actor, shared.token, 'seq', write.seq,
    'order', number(write.order)}
  for field, value in pairs(write.fields) do
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  if #write.unset > 0 then redis.call('HDEL', write.key, unpack(write.unset)) end
  redis.call('HSET', write.key, unpack(fields))
  if write.delete_log then redis.call('DEL', write.log) end
end

-- Notes that runs of the experiment wait, and at which priorities; or that none waits any more.
local function note_waiting(experiment, joins)
  if redis.call('ZCARD', experiment.queued) == 0 then
    redis.call('HDEL', experiments, experiment.id)
    return
  end
  local stored = redis.call('HGET', experiments, experiment.id)
  local keys = stored and cjson.decode(stored).participants or {}
  if joins and not joins.recovered then keys[#keys + 1] = joins.key end
  local kept, is_kept = {}, {}
  for _, key in ipairs(keys) do
    if not is_kept[key] and redis.call('EXISTS', key) == 1 then kept[#kept + 1] = key end
    is_kept[key] = true
  end
  experiment.participants = kept
  redis.call('HSET', experiments, experiment.id, cjson.encode(experiment))
end

local function carry_out(write)
  if write.order == 0 then write.order = new_order() end
  for _, key in ipairs(write.remove) do redis.call('ZREM', key, write.run) end
  for key, score in pairs(write.add) do
    redis.call('ZADD', key, number(score == 'order' and write.order or tonumber(score)), write.run)
  end
  if write.replaces then
    redis.call('HSET', write.replaces.key, 'replaced_by', write.run)
    for _, key in ipairs(write.replaces.indexes) do redis.call('ZREM', key, write.replaces.run) end
  end
  if write.joins then join(write.joins, write.run, write.order) end
  if write.experiment then note_waiting(write.experiment, write.joins) end
  -- Without any waiting run, nobody has to be given a turn after the latest.
  if write.leaves and redis.call('EXISTS', claimable) == 0 then redis.call('DEL', turns) end
  if #write.delete == 0 then
    append(write)
    return set(write)
  end
  redis.call('DEL', unpack(write.delete))
  -- The log is gone, so that the change itself has what followers are told.
  redis.call('XADD', changes, 'MAXLEN', '~', shared.changes_length, '*', 'run', write.run, 'seq', write.seq + 1,
    'deleted', number(ms))
end

local writes = {}
for index = 2, #ARGV do
  local write = read(ARGV[index])
  -- These writes were carried out before: their reply was lost, and the client sends them again.
  if write.actors_token == shared.token then
    return {'repeated', ms, write.seq, redis.call('HGETALL', write.key)}
  end
  writes[#writes + 1] = write
end
if idempotency then
  local value = redis.call('GET', idempotency)
  if value then return {'replayed', ms, 0, value} end
end
-- A user may have asked for something else meanwhile.
if shared.asked and redis.call('HGET', shared.asked.key, 'request') ~= shared.asked.request then
  return {'asked_otherwise', ms, 0, ''}
end
local accepted, changed = {}, {}
for _, write in ipairs(writes) do
  local outcome, payload = refusal(write)
  if not outcome then
    accepted[#accepted + 1] = write
    gone[write.run] = #write.delete > 0
  elseif not shared.skips then return {outcome, ms, write.seq, payload}
  elseif outcome == 'conflict' then changed[#changed + 1] = write.run end
end
-- If a run leaves a queue, all younger ones move forward; if it joins one, all younger ones move back. Thus the runs leave
-- from the last to the first and join from the first to the last: none moves that is itself among the writes.
for index = #accepted, 1, -1 do
  local write = accepted[index]
  if write.leaves then (write.is_claim and take or leave)(write.leaves, write.run) end
end
for _, write in ipairs(accepted) do carry_out(write) end
if shared.skips then return {'done', ms, 0, changed} end
if idempotency then redis.call('SET', idempotency, shared.idempotency, 'PX', shared.idempotency_ttl) end
local first = writes[1]
if first.expected_token ~= '' then return {'done', ms, first.seq, {}} end
return {'done', ms, first.seq, {redis.call('ZCOUNT', workers, ms, '+inf'),
  place_of(first.run, first.experiment and first.experiment.id)}}
