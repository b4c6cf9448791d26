-- dlq_purge: one bounded step of removing all dead letters that were dead when the first step began.
-- KEYS    1 dlq, 2 dlq:data, 3 ids, 4 stats
-- ARGV    1 only what died before this ms (0 = before now: the first step), 2 most messages, 3 most bytes
-- returns now, removed, more may be left (0/1)
-- cost    O(messages * log dlq)
-- keeps   a chosen id is free before its message is gone
-- @include now
-- @include text
-- @include envelope
-- @include unbury
local before = tonumber(ARGV[1])
if before == 0 then before = now end
local most, left = tonumber(ARGV[2]), tonumber(ARGV[3])
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(before), 'LIMIT', 0, most)
local gone, more = {}, #members == most and 1 or 0
if #members > 0 then redis.call('ZREM', KEYS[1], '') end  -- a first write that a full Redis allows
for i = 1, #members do
  if left < 0 then
    more = 1
    break
  end
  local v = redis.call('HGET', KEYS[2], members[i])
  if v then
    release_id(KEYS[3], inner(v))
    left = left - #v
  end
  gone[i] = members[i]
end
if #gone > 0 then redis.call('HINCRBY', KEYS[4], 'removed', #gone) end
for i = 1, #gone, 1000 do
  local upto = math.min(i + 999, #gone)
  redis.call('ZREM', KEYS[1], unpack(gone, i, upto))
  redis.call('HDEL', KEYS[2], unpack(gone, i, upto))
end
return {now, #gone, more}
