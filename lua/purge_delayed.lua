-- purge_delayed: one bounded step of throwing away delayed messages that were produced before the first step.
-- KEYS    1 delayed, 2 delayed:data, 3 ids, 4 stats
-- ARGV    1 only what was produced by this ms (first step: 0 = by now; further ones: the now that the first returned),
--         2 members to pass over: those that earlier steps kept, 3 most messages, 4 most bytes (one is always allowed)
-- returns now, how many it threw away, how many it kept, more may be left (0/1)
-- cost    O(messages * log delayed)
-- keeps   a chosen id is free before its message is gone; what cannot be read stays
-- @include now
-- @include begin_writing
-- @include envelope
-- @include remove
local by, passed, most, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if by == 0 then by = now end
local members = redis.call('ZRANGE', KEYS[1], passed, passed + most - 1)
local free, gone, kept, more = {}, {}, 0, #members == most
for i = 1, #members do
  if left < 0 and i > 1 then
    more = true
    break
  end
  local e = redis.call('HGET', KEYS[2], members[i])
  local h = e and head(e)
  if e then left = left - #e end
  if h and tonumber(h.created) <= by then
    gone[#gone + 1] = members[i]
    if h.id_until ~= '0' and redis.call('HGET', KEYS[3], h.id) == h.id_until then free[#free + 1] = h.id end
  else
    kept = kept + 1
  end
end
if #gone > 0 then
  begin_writing(KEYS[1])
  remove('HDEL', KEYS[3], free)
  redis.call('HINCRBY', KEYS[4], 'discarded', #gone)
  remove('ZREM', KEYS[1], gone)
  remove('HDEL', KEYS[2], gone)
end
return {now, #gone, kept, more and 1 or 0}
