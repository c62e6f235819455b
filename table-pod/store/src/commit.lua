-- One commit of a table: compare, then write all of it.
-- KEYS head, log, outbox, hands. ARGV epoch, number, snapshot, log, done, log_max,
-- hands_max, hand, hash, record, table, follows, replaces, lineage (which history of the
-- group this is written to: the master's replication id), base's id, base, then pairs of seq and payload.
-- Returns {'ok', number} | {'fenced', highest} | {'conflict', at, written} | {'base'}.
--
-- Fields of head: epoch, commit, written, snapshot, lineage; base and base_id where the snapshot opens with a base only. Many
-- commits share a base, so it comes along only where it is new: without it the script compares the id, and answers 'base',
-- having written nothing, where it has another one.
local epoch, number, follows = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[12])
local held = redis.call('HMGET', KEYS[1], 'epoch', 'commit', 'written', 'base_id')
local highest, at, written = tonumber(held[1] or '0'), tonumber(held[2] or '0'), tonumber(held[3] or '0')
if highest > epoch then return {'fenced', highest} end
if at == number and written == epoch then
  -- A repeat writes as well: WAIT covers a connection's last write only.
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
  return {'ok', number}
end
local replaces = at ~= number - 1 or written ~= follows
if replaces and (ARGV[13] ~= '1' or written >= epoch or number > at + 1) then return {'conflict', at, written} end
if #ARGV[16] == 0 and #ARGV[15] > 0 and held[4] ~= ARGV[15] then return {'base'} end
if replaces then
  -- A stream takes lower ids again only when it is made anew.
  local before = redis.call('XRANGE', KEYS[2], '-', '(' .. ARGV[2] .. '-1')
  redis.call('DEL', KEYS[2])
  for _, entry in ipairs(before) do redis.call('XADD', KEYS[2], entry[1], unpack(entry[2])) end
end
if #ARGV[16] > 0 then
  redis.call('HSET', KEYS[1], 'base_id', ARGV[15], 'base', ARGV[16])
elseif #ARGV[15] == 0 and held[4] then
  redis.call('HDEL', KEYS[1], 'base_id', 'base')
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'commit', ARGV[2], 'written', ARGV[1], 'snapshot', ARGV[3],
  'lineage', ARGV[14])
if #ARGV[4] > 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[6], ARGV[2] .. '-1', 'e', ARGV[1], 'b', ARGV[4])
end
for i = 17, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
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
