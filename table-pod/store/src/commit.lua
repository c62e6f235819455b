-- One commit of a table: compare, then write all of it.
-- KEYS head, log, outbox, hands. ARGV epoch, number, snapshot, log, done, log_max,
-- hands_max, hand, hash, record, table, follows, replaces, lineage (which history of the
-- group this is written to: the master's replication id), then pairs of seq and payload.
-- Returns {'ok', number} | {'fenced', highest} | {'conflict', at, written}.
local epoch, number, follows = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[12])
local held = redis.call('HMGET', KEYS[1], 'epoch', 'commit', 'written')
local highest, at, written = tonumber(held[1] or '0'), tonumber(held[2] or '0'), tonumber(held[3] or '0')
if highest > epoch then return {'fenced', highest} end
if at == number and written == epoch then
  -- A repeat writes as well: WAIT covers a connection's last write only.
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return {'ok', number}
end
if at ~= number - 1 or written ~= follows then
  if ARGV[13] ~= '1' or written >= epoch or number > at + 1 then return {'conflict', at, written} end
  -- A stream takes lower ids again only when it is made anew.
  local before = redis.call('XRANGE', KEYS[2], '-', '(' .. ARGV[2] .. '-1')
  redis.call('DEL', KEYS[2])
  for _, entry in ipairs(before) do redis.call('XADD', KEYS[2], entry[1], unpack(entry[2])) end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'commit', ARGV[2], 'written', ARGV[1], 'snapshot', ARGV[3],
  'lineage', ARGV[14])
if #ARGV[4] > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[6], ARGV[2] .. '-1', 'e', ARGV[1], 'b', ARGV[4])
end
for i = 15, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
local done = tonumber(ARGV[5])
if done > 0 then
  for _, seq in ipairs(redis.call('HKEYS', KEYS[3])) do
    if tonumber(seq) <= done then redis.call('HDEL', KEYS[3], seq) end
  end
end
if #ARGV[8] > 0 then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[7], '*', 'table', ARGV[11], 'hand', ARGV[8],
    'hash', ARGV[9], 'commit', ARGV[2], 'record', ARGV[10])
end
return {'ok', number}
