-- audit: is each message in exactly one place, and do the counters agree? Reads only; for tests and operators.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 delayed:data, 7 consumers, 8 dlq,
--         9 dlq:data, 10 ids, 11 stats, then processing:<consumer> of each consumer named in ARGV
-- ARGV    1 most messages looked at, then the consumers
-- returns 'ok', 'changed' (there are other consumers than those named: ask again) or 'large' (more messages than
--         allowed), then name and number of each: ready, delayed, processing, dead, holes (elements of cancelled
--         messages), unreadable, twice (ids in more than one place), stray_data (data without an index entry),
--         stray_index (an index entry without data), unowned (messages of a consumer without a lease), free_ids
--         (messages whose chosen id is not registered), books (produced + requeued, minus all messages that are or
--         ended somewhere; 0 if the counters agree), dead_books (the same for dead letters)
-- cost    O(messages)
-- keeps   writes nothing
-- @include envelope
-- @include unbury
local members = redis.call('ZRANGE', KEYS[7], 0, -1)
local known = {}
for i = 2, #ARGV do known[ARGV[i]] = true end
for i = 1, #members do
  if not known[members[i]] then return {'changed'} end
end
local total = redis.call('HLEN', KEYS[6]) + redis.call('HLEN', KEYS[9])
for i = 1, 4 do total = total + redis.call('LLEN', KEYS[i]) end
for i = 12, #KEYS do total = total + redis.call('HLEN', KEYS[i]) end
if total > tonumber(ARGV[1]) then return {'large', 'messages', total} end
local c = {ready = 0, delayed = 0, processing = 0, dead = 0, holes = 0, unreadable = 0, twice = 0, stray_data = 0,
           stray_index = 0, unowned = 0, free_ids = 0}
local seen = {}
local function look(e, place, dead)
  c[place] = c[place] + 1
  local h = head(e)
  if not h then
    c.unreadable = c.unreadable + 1
    return
  end
  if seen[h.id] then c.twice = c.twice + 1 end
  seen[h.id] = true
  if h.id_until ~= '0' and redis.call('HGET', KEYS[10], h.id) ~= (dead and '0' or h.id_until) then
    c.free_ids = c.free_ids + 1
  end
end
for i = 1, 4 do
  local all = redis.call('LRANGE', KEYS[i], 0, -1)
  for j = 1, #all do
    if all[j] == '' then c.holes = c.holes + 1 else look(all[j], 'ready', false) end
  end
end
local function indexed(index, data, place, dead)
  local all = redis.call('HGETALL', data)
  for j = 1, #all, 2 do
    if redis.call('ZSCORE', index, all[j]) then
      look(dead and inner(all[j + 1]) or all[j + 1], place, dead)
    else
      c.stray_data = c.stray_data + 1
    end
  end
  local names = redis.call('ZRANGE', index, 0, -1)
  for j = 1, #names do
    if redis.call('HEXISTS', data, names[j]) == 0 then c.stray_index = c.stray_index + 1 end
  end
end
indexed(KEYS[5], KEYS[6], 'delayed', false)
indexed(KEYS[8], KEYS[9], 'dead', true)
for i = 12, #KEYS do
  local owned = redis.call('ZSCORE', KEYS[7], ARGV[i - 10])
  local all = redis.call('HVALS', KEYS[i])
  for j = 1, #all do
    if not owned then c.unowned = c.unowned + 1 end
    look(all[j], 'processing', false)
  end
end
local function count(name) return tonumber(redis.call('HGET', KEYS[11], name) or 0) end
c.books = count('produced') + count('requeued') - count('completed') - count('cancelled') - count('discarded')
  - count('dead') - c.ready - c.delayed - c.processing
c.dead_books = count('dead') - count('requeued') - count('removed') - count('dropped') - c.dead
local out = {'ok'}
for _, name in ipairs({'ready', 'delayed', 'processing', 'dead', 'holes', 'unreadable', 'twice', 'stray_data',
                       'stray_index', 'unowned', 'free_ids', 'books', 'dead_books'}) do
  out[#out + 1] = name
  out[#out + 1] = c[name]
end
return out
