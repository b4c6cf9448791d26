-- dlq_purge: one bounded step of removing all dead letters that were there when the first step began.
-- KEYS    1 dlq, 2 dlq:data, 3 ids, 4 stats
-- ARGV    1 only what died by this ms (first step: 0 = by now; further ones: the now that the first returned),
--         2 most messages, 3 most bytes
-- returns now, removed, more may be left (0/1)
-- cost    O(messages * log dlq)
-- keeps   a chosen id is free before its message is gone
-- @include now
-- @include begin_writing
-- @include envelope
-- @include unbury
-- @include remove
local before = tonumber(ARGV[1])
if before == 0 then before = now end
local most, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(before), 'LIMIT', 0, most)
if #members == 0 then return {now, 0, 0} end
begin_writing(KEYS[1])
local gone, free, more = {}, {}, #members == most and 1 or 0
for i = 1, #members do
  if left < 0 then
    more = 1
    break
  end
  local v = redis.call('HGET', KEYS[2], members[i])
  if v then
    spent(KEYS[3], free, inner(v))
    left = left - #v
  end
  gone[i] = members[i]
end
remove('HDEL', KEYS[3], free)
redis.call('HINCRBY', KEYS[4], 'removed', #gone)
remove('ZREM', KEYS[1], gone)
remove('HDEL', KEYS[2], gone)
return {now, #gone, more}
