-- cancel: removes a delayed or retrying message by its id.
-- KEYS    1 delayed, 2 delayed:data, 3 ids, 4 stats
-- ARGV    1 id
-- returns 1, or 0 if no delayed message has that id
-- cost    O(log delayed)
-- keeps   a chosen id is free before its message is gone
-- @include begin_writing
-- @include envelope
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local e = redis.call('HGET', KEYS[2], ARGV[1])
if not e then return 0 end
local h = head(e)
if h and h.id ~= ARGV[1] then return 0 end  -- a member with a suffix that looks like this id
begin_writing(KEYS[1])
if h and h.id_until ~= '0' and redis.call('HGET', KEYS[3], h.id) == h.id_until then redis.call('HDEL', KEYS[3], h.id) end
redis.call('HINCRBY', KEYS[4], 'cancelled', 1)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
