-- dlq_remove: removes dead letters for good.
-- KEYS    1 dlq, 2 dlq:data, 3 ids, 4 stats
-- ARGV    members
-- returns how many there were
-- cost    O(members * log dlq)
-- keeps   a chosen id is free before its message is gone
-- @include begin_writing
-- @include envelope
-- @include unbury
-- @include remove
local gone, free, seen = {}, {}, {}
for i = 1, #ARGV do
  local v = redis.call('HGET', KEYS[2], ARGV[i])
  if v and not seen[ARGV[i]] and redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    seen[ARGV[i]] = true
    gone[#gone + 1] = ARGV[i]
    spent(KEYS[3], free, inner(v))
  end
end
if #gone == 0 then return 0 end
begin_writing(KEYS[1])
remove('HDEL', KEYS[3], free)
redis.call('HINCRBY', KEYS[4], 'removed', #gone)
remove('ZREM', KEYS[1], gone)
remove('HDEL', KEYS[2], gone)
return #gone
