-- dlq_get: one dead letter. Reads only.
-- KEYS    1 dlq, 2 dlq:data
-- ARGV    1 member
-- returns dead-at ms, line and envelope; nothing if there is none
-- cost    O(1)
-- keeps   writes nothing
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
local v = score and redis.call('HGET', KEYS[2], ARGV[1])
if not v then return {} end
return {score, v}
