-- Compares and sets the record of one uploaded data set: carries out a whole write, or changes nothing and says why.
-- KEYS: the record, its events, the change stream
-- ARGV[1]: JSON {id, expected_token, token, record, event, expected, remove, add, set, hash, delete, expire, quota, needed_by,
--   idempotency, idempotency_ttl, changes_length, events_length}
-- Returns {outcome, payload}; depending on the outcome, the payload is the id that the idempotency key created, the bytes
--   of the other data sets, or the runs that need this one.
local record, log, changes = unpack(KEYS)
local write = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local ms = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local stored = redis.call('HMGET', record, 'token', 'seq')

-- This write was carried out before: its reply was lost, and the client sends it again.
if stored[1] == write.token then return {'repeated', ''} end
if write.idempotency then
  local value = redis.call('GET', write.idempotency.key)
  if value then return {'replayed', value} end
end
if (stored[1] or '') ~= write.expected_token then return {stored[1] and 'conflict' or 'absent', ''} end
for key, value in pairs(write.expected) do
  if (redis.call('GET', key) or '') ~= value then return {'conflict', ''} end
end
if write.quota then
  local used = 0
  local sizes = redis.call('HGETALL', write.quota.key)
  for i = 1, #sizes, 2 do
    if sizes[i] ~= write.id then used = used + tonumber(sizes[i + 1]) end
  end
  if used + write.quota.bytes > write.quota.limit then return {'full', string.format('%.0f', used)} end
end
if write.needed_by then
  local runs = {}
  for _, status in ipairs(write.needed_by.statuses) do
    for _, run in ipairs(redis.call('ZINTER', 2, write.needed_by.dataset, status)) do runs[#runs + 1] = run end
  end
  if #runs > 0 then return {'needed', runs} end
end

for _, key in ipairs(write.remove) do redis.call('ZREM', key, write.id) end
for key, score in pairs(write.add) do redis.call('ZADD', key, score, write.id) end
for key, value in pairs(write.set) do redis.call('SET', key, value) end
for key, pair in pairs(write.hash) do
  if pair[2] == '' then redis.call('HDEL', key, pair[1]) else redis.call('HSET', key, pair[1], pair[2]) end
end
for _, key in ipairs(write.delete) do redis.call('DEL', key) end
local seq = tonumber(stored[2] or 0) + 1
redis.call('XADD', log, 'MAXLEN', '~', write.events_length, seq .. '-0', 'time', ms, 'attempt', '0', 'type', 'dataset',
  'data', write.event)
redis.call('XADD', changes, 'MAXLEN', '~', write.changes_length, '*', 'run', write.id, 'seq', seq)
redis.call('HSET', record, 'record', write.record, 'token', write.token, 'seq', seq)
if write.idempotency then
  redis.call('SET', write.idempotency.key, write.idempotency.value, 'PX', write.idempotency_ttl)
end
if write.expire then
  redis.call('PEXPIRE', record, write.expire)
  redis.call('PEXPIRE', log, write.expire)
end
return {'done', ''}
