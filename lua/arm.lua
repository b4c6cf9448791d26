-- arm: arms the marker that wakes one idle consumer; who took it and cannot claim gives it on.
-- KEYS    1 wake
-- ARGV    none
-- returns 1
-- cost    O(1)
-- keeps   the marker's duty is with somebody
redis.call('ZREM', KEYS[1], '')  -- a first write that a full Redis allows
redis.call('ZADD', KEYS[1], 0, '0')
return 1
