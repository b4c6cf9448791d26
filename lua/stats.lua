-- stats: how many messages are where, the counters, the consumers. Reads only.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 consumers, 7 dlq, 8 stats
-- ARGV    1 most consumers named
-- returns now, the lengths of the four lists, delayed, dead, consumers, consumers whose lease ran out, for each of the four
--         lists the ms at which the message at its head was first due, and the due ms of the first delayed one (each -1:
--         there is none, or it cannot be read), fields of stats, then field and value of each, then consumer and lease
--         deadline of each one named
-- cost    O(consumers named), plus the cancelled ones at the heads, of which it looks at 32 in each list
-- keeps   writes nothing
-- @include now
-- @include envelope
-- @include ages
local out = {now}
for i = 1, 4 do out[1 + i] = redis.call('LLEN', KEYS[i]) end
out[6] = redis.call('ZCARD', KEYS[5])
out[7] = redis.call('ZCARD', KEYS[7])
out[8] = redis.call('ZCARD', KEYS[6])
out[9] = redis.call('ZCOUNT', KEYS[6], '-inf', now)
for i = 1, 4 do out[9 + i] = first_due(KEYS[i]) end
out[14] = next_due(KEYS[5])
local fields = redis.call('HGETALL', KEYS[8])
out[15] = #fields / 2
for i = 1, #fields do out[#out + 1] = fields[i] end
local most = tonumber(ARGV[1])
local named = most > 0 and redis.call('ZRANGE', KEYS[6], 0, most - 1, 'WITHSCORES') or {}
for i = 1, #named do out[#out + 1] = named[i] end
return out
