-- Compare and set of one run: all of a write, or the present record.
-- KEYS: the run, its log, the change stream, all runs by creation, [the idempotency key]
-- ARGV[1]: JSON {run, actor, seen, token, fields, events, remove, add, drop, claim, claim_ttl, changes_length,
--   sources, dependants}
-- Answers {outcome, Redis time in ms, seq, the present record, what holds the idempotency key, or which run is in the way}.
local run, log, changes, runs, claim = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local write = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local ms = math.floor(clock[1] * 1000 + clock[2] / 1000)
local seen = redis.call('HMGET', run, 'token', 'by_' .. write.actor, 'seq', 'order')
local seq = tonumber(seen[3] or 0)

-- The reply to this very write was lost and the client sends it again.
if seen[2] == write.token then
  return {'repeated', ms, seq, redis.call('HGETALL', run)}
end
if claim then
  local holder = redis.call('GET', claim)
  if holder then return {'held', ms, seq, holder} end
end
if (seen[1] or '') ~= write.seen then
  return {seen[1] and 'conflict' or 'absent', ms, seq, redis.call('HGETALL', run)}
end

-- A run is never without the weights that it builds on.
for source, key in pairs(write.sources) do
  if redis.call('EXISTS', key) == 0 then return {'gone', ms, seq, source} end
end
if write.dependants ~= '' then
  local needed_by = redis.call('ZRANGE', write.dependants, 0, -1)
  if #needed_by > 0 then return {'needed', ms, seq, needed_by} end
end

-- Creation order is Redis's microseconds, later than all others also when the clock was set back.
local order = tonumber(seen[4] or 0)
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
if #write.drop > 0 then
  redis.call('DEL', unpack(write.drop))
  return {'done', ms, seq, {}}
end

for _, event in ipairs(write.events) do
  seq = seq + 1
  redis.call('XADD', log, seq .. '-0', 'time', string.format('%.0f', ms),
    'attempt', event.attempt, 'type', event.type, 'data', event.data)
  redis.call('XADD', changes, 'MAXLEN', '~', write.changes_length, '*', 'run', write.run, 'seq', seq)
end
for field, value in pairs(write.fields) do redis.call('HSET', run, field, value) end
redis.call('HSET', run, 'token', write.token, 'by_' .. write.actor, write.token,
  'seq', seq, 'order', string.format('%.0f', order))
if claim then redis.call('SET', claim, write.claim, 'PX', write.claim_ttl) end
return {'done', ms, seq, {}}
