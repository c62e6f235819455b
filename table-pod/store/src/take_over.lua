-- Makes an epoch the writer of a table and reads all of it. KEYS head, log, outbox. ARGV epoch.
-- Returns {'ok', commit, written, snapshot, log, outbox, lineage, base} | {'fenced', highest}.
local held = redis.call('HMGET', KEYS[1], 'epoch', 'commit', 'written', 'snapshot', 'lineage', 'base')
local highest = tonumber(held[1] or '0')
if highest > tonumber(ARGV[1]) then return {'fenced', highest} end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return {'ok', tonumber(held[2] or '0'), tonumber(held[3] or '0'), held[4] or '',
  redis.call('XRANGE', KEYS[2], '-', '+'), redis.call('HGETALL', KEYS[3]), held[5] or '', held[6] or ''}
