-- arm: arms the marker, which wakes one idle consumer. For a consumer that took the marker and cannot claim.
-- KEYS    1 wake
-- ARGV    none
-- returns 1
-- cost    O(1)
-- keeps   whoever took the marker claims, or leaves it to somebody else
redis.call('ZREM', KEYS[1], '')  -- a first write that a full Redis allows
redis.call('ZADD', KEYS[1], 0, '0')
return 1
