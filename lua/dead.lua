-- dead: moves messages of a consumer to the dead letters, byte for byte.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 stats, 4 dlq, 5 dlq:data, 6 ids
-- ARGV    1 consumer, 2 cap of the dead letters (0 = none), then three for each message: tag, member (its id; for what
--         does not decode '!<consumer>.<tag>'), line (reason, a tab, history)
-- returns now, 'ok', dead letters there are now, then the members that the cap dropped; or now, 'lost' as ack does
-- cost    O(messages * log dlq), and O(log dlq) for each one dropped, at most two for each one added
-- keeps   data before index before removal; a chosen id stays taken while its message is dead
-- @include now
-- @include begin_writing
-- @include envelope
-- @include put
-- @include bury
-- @include unbury
-- @include remove
-- @include cap
-- @include reasons
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
begin_writing(KEYS[2])
if not score or tonumber(score) <= 0 then
  redis.call('HINCRBY', KEYS[3], 'lease_lost', (#ARGV - 2) / 3)
  return {now, 'lost'}
end
local tags, by = {}, {}
for i = 3, #ARGV, 3 do
  local e = redis.call('HGET', KEYS[1], ARGV[i])
  if e then
    bury(KEYS[4], KEYS[5], KEYS[6], ARGV[i + 1], ARGV[i + 2], e, head(e))
    local reason = reason_of(ARGV[i + 2])
    by[reason] = (by[reason] or 0) + 1
    tags[#tags + 1] = ARGV[i]
  end
end
local dropped = {}
if #tags > 0 then
  count_dead(KEYS[3], by)
  if by.expired then redis.call('HINCRBY', KEYS[3], 'expired', by.expired) end
  remove('HDEL', KEYS[1], tags)
  dropped = cap(KEYS[4], KEYS[5], KEYS[6], KEYS[3], tonumber(ARGV[2]), #tags, {})
end
local out = {now, 'ok', redis.call('ZCARD', KEYS[4])}
for i = 1, #dropped do out[3 + i] = dropped[i] end
return out
