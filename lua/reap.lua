-- reap: takes over messages of a consumer whose lease ran out.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 ready:high, 4 ready:normal, 5 ready:low, 6 ready:suspect, 7 idle,
--         8 stats, 9 dlq, 10 dlq:data, 11 ids
-- ARGV    1 the consumer that is reaped, 2 most messages, 3 most bytes (one message is always allowed), 4 longest lease
--         allowed ms, 5 cap of the dead letters (0 = none); last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'gone' | 'alive' (its lease goes on; if it ends later than the longest allowed, it is cut to that) |
--         'ok', messages still to take, messages recovered, dead letters made, then the members that the cap dropped
-- cost    O(messages of that consumer)
-- keeps   before the first message moves the lease is set to 0, which no renewal changes; each message is back at the
--         head of its list with one recovery more, or among the dead letters, before it leaves the consumer; the
--         consumer's entry goes last; what is taken over wakes an idle one
-- @include now
-- @include begin_writing
-- @include after
-- @include envelope
-- @include wake
-- @include newest
-- @include put
-- @include bury
-- @include unbury
-- @include remove
-- @include cap
-- @include reasons
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score then return {now, 'gone'} end
score = tonumber(score)
local longest = after(tonumber(ARGV[4]))
if score > now then
  if score > tonumber(longest) then
    begin_writing(KEYS[2])
    redis.call('ZADD', KEYS[2], longest, ARGV[1])
  end
  return {now, 'alive'}
end
begin_writing(KEYS[2])
if score ~= 0 then redis.call('ZADD', KEYS[2], 0, ARGV[1]) end
local ready = {h = KEYS[3], n = KEYS[4], l = KEYS[5], s = KEYS[6]}
local rows = newest(redis.call('HKEYS', KEYS[1]))
local tags, left, back, dead, unread = {}, tonumber(ARGV[3]), 0, 0, 0
for i = 1, #rows do
  if #tags >= tonumber(ARGV[2]) or (left < 0 and #tags > 0) then break end
  local tag = rows[i][3]
  local e = redis.call('HGET', KEYS[1], tag)
  left = left - #e
  local h = head(e)
  if not h then
    bury(KEYS[9], KEYS[10], KEYS[11], '!' .. ARGV[1] .. '.' .. tag, 'decode\t', e, nil)
    dead = dead + 1
    unread = unread + 1
  elseif h.recoveries >= h.limit then
    bury(KEYS[9], KEYS[10], KEYS[11], h.id, 'poison\t', e, h)
    dead = dead + 1
  else
    h.recoveries = h.recoveries + 1
    e = rewrite(h, e)
    redis.call('LPUSH', ready[home(e)], e)
    back = back + 1
  end
  tags[#tags + 1] = tag
end
if back > 0 then
  redis.call('HINCRBY', KEYS[8], 'recovered', back)
  wake(KEYS[7], 1, 0)
end
local dropped = {}
if dead > 0 then
  count_dead(KEYS[8], {decode = unread, poison = dead - unread})
  dropped = cap(KEYS[9], KEYS[10], KEYS[11], KEYS[8], tonumber(ARGV[5]), dead, {})
end
remove('HDEL', KEYS[1], tags)
if #tags == #rows then redis.call('ZREM', KEYS[2], ARGV[1]) end
local out = {now, 'ok', #rows - #tags, back, dead}
for i = 1, #dropped do out[5 + i] = dropped[i] end
return out
