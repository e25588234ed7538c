-- Compares and sets one run: carries out a whole write, or changes nothing and says why.
-- KEYS: the run, its log, the change stream, all runs by creation, the waiting runs, the workers, [the idempotency key]
-- ARGV[1]: JSON {run, actor, expected_token, token, fields, events, remove, add, delete, unset, delete_log, idempotency,
--   idempotency_ttl, sources, dependants, changes_length}
-- Returns {outcome, Redis time in ms, seq, payload}; depending on the outcome, the payload is {number of workers, number
--   of runs ahead in the queue} (of a new run), the present record, the value of the idempotency key, the source run or
--   data set that is missing, or the dependants.
local run, log, changes, runs, claimable, workers, idempotency = unpack(KEYS)
local write = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local ms = math.floor(clock[1] * 1000 + clock[2] / 1000)
local stored = redis.call('HMGET', run, 'token', 'by_' .. write.actor, 'seq', 'order')
local seq = tonumber(stored[3] or 0)

-- This write was carried out before: its reply was lost, and the client sends it again.
if stored[2] == write.token then
  return {'repeated', ms, seq, redis.call('HGETALL', run)}
end
if idempotency then
  local value = redis.call('GET', idempotency)
  if value then return {'replayed', ms, seq, value} end
end
if (stored[1] or '') ~= write.expected_token then
  return {stored[1] and 'conflict' or 'absent', ms, seq, redis.call('HGETALL', run)}
end

-- A run whose weights another run builds on cannot be deleted before that run, nor the data set of an unfinished run.
for source, key in pairs(write.sources) do
  if redis.call('EXISTS', key) == 0 then return {'source_missing', ms, seq, source} end
end
if write.dependants ~= '' then
  local dependants = redis.call('ZRANGE', write.dependants, 0, -1)
  if #dependants > 0 then return {'has_dependants', ms, seq, dependants} end
end

-- The order of creation is Redis's time in microseconds, or one more than the newest run's if the clock was set back.
local order = tonumber(stored[4] or 0)
if order == 0 then
  local newest = redis.call('ZREVRANGE', runs, 0, 0, 'WITHSCORES')
  order = math.max(clock[1] * 1000000 + clock[2], tonumber(newest[2] or 0) + 1)
end
-- Microseconds since 1970 stay below 2^52 until 2112, so the difference is exact and negative.
local scores = {order = order, recovered = order - 4503599627370496}

for _, key in ipairs(write.remove) do redis.call('ZREM', key, write.run) end
for key, score in pairs(write.add) do
  redis.call('ZADD', key, string.format('%.0f', scores[score] or tonumber(score)), write.run)
end
if #write.delete > 0 then
  redis.call('DEL', unpack(write.delete))
  -- The log is gone, so that the change itself has what followers are told.
  redis.call('XADD', changes, 'MAXLEN', '~', write.changes_length, '*', 'run', write.run, 'seq', seq + 1,
    'deleted', string.format('%.0f', ms))
  return {'done', ms, seq, {}}
end

for _, event in ipairs(write.events) do
  seq = seq + 1
  redis.call('XADD', log, seq .. '-0', 'time', string.format('%.0f', ms),
    'attempt', event.attempt, 'type', event.type, 'data', event.data)
  redis.call('XADD', changes, 'MAXLEN', '~', write.changes_length, '*', 'run', write.run, 'seq', seq)
end
local fields = {'token', write.token, 'by_' .. write.actor, write.token, 'seq', seq, 'order', string.format('%.0f', order)}
for field, value in pairs(write.fields) do
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end
if #write.unset > 0 then redis.call('HDEL', run, unpack(write.unset)) end
redis.call('HSET', run, unpack(fields))
if write.delete_log then redis.call('DEL', log) end
if idempotency then redis.call('SET', idempotency, write.idempotency, 'PX', write.idempotency_ttl) end
if write.expected_token ~= '' then return {'done', ms, seq, {}} end
return {'done', ms, seq, {redis.call('ZCOUNT', workers, ms, '+inf'), redis.call('ZRANK', claimable, write.run)}}
