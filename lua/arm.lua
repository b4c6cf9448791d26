-- arm: arms the marker, which wakes one idle consumer. For a consumer that took the marker and cannot claim.
-- KEYS    1 wake
-- ARGV    none
-- returns 1
-- cost    O(1)
-- keeps   whoever took the marker claims, or leaves it to somebody else
-- @include begin_writing
begin_writing(KEYS[1])
redis.call('ZADD', KEYS[1], 0, '0')
return 1
