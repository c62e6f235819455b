#!lua flags=allow-oom
-- One step of a fleet's seats and waiting list, all or nothing. The same function as seating/model.rs.
-- KEYS: seats (hash: seat -> "player until kind id"), ends (sorted by when a seat's hold ends), holds (hash: player -> seat),
-- list (sorted by turn), seen (sorted by when a player on the list was seen), ids (hash: player on the list -> id),
-- pace (hash). Of others' last requests and pauses the keys are made here: the group is no Redis Cluster.
local seats, ends, holds, list, seen, ids, pace = unpack(KEYS)
local op, now, fleet, player = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local SIT, LINGER, SEEN, UNUSED, BACK = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local PAUSE_MAX, HOLDS_MAX, OWN, ENDS_MAX = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local A = 13
local call = redis.call
if now == 0 then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function int(number) return string.format('%.0f', number) end

local function read(at)
  local value = call('HGET', seats, at)
  if not value then return nil end
  local who, till, kind, id = string.match(value, '^(%S+) (%d+) (%a) (%S+)$')
  return who, tonumber(till), kind, id
end

local function write(at, who, till, kind, id)
  call('HSET', seats, at, who .. ' ' .. int(till) .. ' ' .. kind .. ' ' .. id)
  call('ZADD', ends, int(till), at)
end

local function free(at)
  call('HDEL', seats, at)
  call('ZREM', ends, at)
end

local function note(who, id, fate, at)
  call('SET', 'seating:own:' .. who, fleet .. ' ' .. id .. ' ' .. fate .. ' ' .. at, 'PX', int(OWN))
end

local function own()
  local value = call('GET', 'seating:own:' .. player)
  if not value then return nil end
  return string.match(value, '^(%S+) (%S+) (%S+) (%S+)$')
end

local function pause(who, base)
  local key = 'seating:pause:' .. who
  local count, till = 0, 0
  local held = call('GET', key)
  if held then
    count, till = string.match(held, '^(%d+) (%d+)$')
    count, till = tonumber(count), tonumber(till)
  end
  if now >= till + PAUSE_MAX then count = 0 end
  local length = math.min(base * 2 ^ math.min(count, 30), PAUSE_MAX)
  call('SET', key, int(count + 1) .. ' ' .. int(now + length), 'PX', int(length + PAUSE_MAX))
end

local function paused()
  local held = call('GET', 'seating:pause:' .. player)
  if not held then return nil end
  local till = tonumber(string.match(held, ' (%d+)$'))
  if till > now then return {'paused', int(till - now)} end
  return nil
end

local function unlist(who)
  call('ZREM', list, who)
  call('ZREM', seen, who)
  call('HDEL', ids, who)
end

local function number(field) return tonumber(call('HGET', pace, field) or '0') end

local function standing()
  local at = call('HGET', holds, player)
  if at then
    local _, till, kind, id = read(at)
    if till then return {'held', at, int(math.max(till - now, 0)), kind, id} end
  end
  local rank = call('ZRANK', list, player)
  if not rank then return nil end
  call('ZADD', seen, 'XX', int(now), player)
  return {'waiting', int(rank + 1), int(call('ZCARD', list)), int(number('mean')), int(math.max(now - number('last'), 0))}
end

local function elsewhere()
  local there, _, fate = own()
  if fate ~= 'live' or there == fleet then return nil end
  local at = call('HGET', 'seating:of:' .. there .. ':holds', player)
  local held = at and call('HGET', 'seating:of:' .. there .. ':seats', at)
  if held and tonumber(string.match(held, '^%S+ (%d+)')) > now then return {'elsewhere', there} end
  return nil
end

local function hold(from, hold_ms, kind, id)
  if call('HLEN', seats) >= HOLDS_MAX then return nil end
  for i = from, #ARGV do
    local at = ARGV[i]
    if call('HEXISTS', seats, at) == 0 then
      write(at, player, now + hold_ms, kind, id)
      call('HSET', holds, player, at)
      note(player, id, 'live', at)
      return standing()
    end
  end
  return nil
end

for _, at in ipairs(call('ZRANGEBYSCORE', ends, '-inf', int(now), 'LIMIT', 0, ENDS_MAX)) do
  local who, _, kind, id = read(at)
  free(at)
  if who and kind ~= 'c' then
    call('HDEL', holds, who)
    note(who, id, 'ended', '-')
    pause(who, UNUSED)
  end
end
for _, who in ipairs(call('ZRANGEBYSCORE', seen, '-inf', int(now - SEEN))) do unlist(who) end

if op == 'ask' then
  local id, hold_ms, waiting_max, join = ARGV[A + 1], tonumber(ARGV[A + 2]), tonumber(ARGV[A + 3]), ARGV[A + 4]
  local found = standing()
  if found then return found end
  local there, last, fate, at = own()
  if there == fleet and last == id then
    if fate == 'seated' then return {'seated', at} end
    if fate == 'ended' then return {'ended'} end
  end
  local refused = elsewhere() or paused()
  if refused then return refused end
  local size = call('ZCARD', list)
  if size == 0 and #ARGV > A + 4 then return hold(A + 5, hold_ms, 'h', id) or {'taken'} end
  if join ~= '1' then
    if size > 0 then return {'behind', int(size)} end
    return {'full'}
  end
  if size >= waiting_max then return {'list-full', int(waiting_max)} end
  if size == 0 then call('HSET', pace, 'last', int(now)) end
  call('ZADD', list, call('HINCRBY', pace, 'turn', 1), player)
  call('ZADD', seen, int(now), player)
  call('HSET', ids, player, id)
  return standing()
end

if op == 'own' then
  local found = standing()
  if found then return found end
  local there, _, fate, at = own()
  if there == fleet and fate == 'seated' then return {'seated', at} end
  return paused() or {'none'}
end

if op == 'back' then
  local id = ARGV[A + 1]
  local at = call('HGET', holds, player)
  if at then
    local _, _, kind, held = read(at)
    if id ~= '-' and id ~= held then return {'other'} end
    if kind == 's' then return {'sitting'} end
    free(at)
    call('HDEL', holds, player)
    note(player, held, 'ended', '-')
    pause(player, BACK)
    return {'done'}
  end
  if call('ZSCORE', list, player) then
    local listed = call('HGET', ids, player)
    if id ~= '-' and id ~= listed then return {'other'} end
    unlist(player)
    note(player, listed, 'ended', '-')
    return {'done'}
  end
  if id ~= '-' then
    -- The request itself may come later than this.
    local there, last, fate = own()
    local kept = (fate == 'live' and there ~= fleet) or (fate == 'seated' and there == fleet and last == id)
    if not kept then note(player, id, 'ended', '-') end
  end
  return {'none'}
end

if op == 'sit' then
  local at = ARGV[A + 1]
  local who, till, kind, id = read(at)
  if not who then return {'none'} end
  if who ~= player then return {'other'} end
  if kind == 'h' or kind == 'o' then write(at, player, math.max(till, now + SIT), 's', id) end
  return {'done'}
end

if op == 'confirm' then
  local at = ARGV[A + 1]
  local held = call('HGET', holds, player)
  if not held or string.match(held, '^(.*)/') ~= string.match(at, '^(.*)/') then return {'none'} end
  local _, _, _, id = read(held)
  call('HDEL', holds, player)
  free(held)
  if call('HEXISTS', seats, at) == 0 then write(at, player, now + LINGER, 'c', id or '-') end
  note(player, id or '-', 'seated', at)
  return {'done'}
end

if op == 'serve' then
  if not call('ZSCORE', list, player) then return {'none'} end
  local refused = elsewhere()
  if refused then return refused end
  local found = hold(A + 2, tonumber(ARGV[A + 1]), 'o', call('HGET', ids, player))
  if not found then return {'taken'} end
  unlist(player)
  local mean, gap = number('mean'), math.max(now - number('last'), 0)
  if mean > 0 then gap = math.floor((3 * mean + gap) / 4) end
  call('HSET', pace, 'mean', int(gap), 'last', int(now))
  return found
end

if op == 'seen' then
  for i = A + 1, #ARGV do call('ZADD', seen, 'XX', int(now), ARGV[i]) end
  return {'done'}
end

-- look: how many of the list, and for how many seconds the books are kept if nobody looks any more.
local first, keep = tonumber(ARGV[A + 1]), ARGV[A + 2]
if keep ~= '0' then
  for _, key in ipairs(KEYS) do call('EXPIRE', key, keep) end
end
local held = call('HGETALL', seats)
local answer = {'look', int(now), int(number('mean')), int(math.max(now - number('last'), 0)), int(call('ZCARD', list)), int(#held / 2)}
for _, word in ipairs(held) do answer[#answer + 1] = word end
if first > 0 then
  for _, who in ipairs(call('ZRANGE', list, 0, first - 1)) do answer[#answer + 1] = who end
end
return answer
