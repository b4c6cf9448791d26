-- dlq_remove: removes dead letters for good.
-- KEYS    1 dlq, 2 dlq:data, 3 ids, 4 stats
-- ARGV    members
-- returns how many there were
-- cost    O(members * log dlq)
-- keeps   a chosen id is free before its message is gone
-- @include envelope
-- @include unbury
local n = 0
for i = 1, #ARGV do
  local v = redis.call('HGET', KEYS[2], ARGV[i])
  if v and redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZREM', KEYS[1], '')  -- a first write that a full Redis allows
    release_id(KEYS[3], inner(v))
    redis.call('HINCRBY', KEYS[4], 'removed', 1)
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    n = n + 1
  end
end
return n
