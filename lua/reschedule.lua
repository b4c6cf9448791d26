-- reschedule: changes when a delayed message is due, or its priority.
-- KEYS    1 delayed, 2 delayed:data, 3 ids, 4 idle
-- ARGV    1 id, 2 due ms ('' = as it is), 3 h, n or l ('' = as it is);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok' | 'none' (no delayed message has that id, or it cannot be read)
-- cost    O(log delayed)
-- keeps   its time to live begins when it is due; the same call may come twice; a message that is now the first of the
--         delayed ones wakes an idle consumer
-- @include now
-- @include begin_writing
-- @include envelope
-- @include redate
-- @include wake
local e = redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('HGET', KEYS[2], ARGV[1])
local h = e and head(e)
if not h or h.id ~= ARGV[1] then return {now, 'none'} end
local due = tonumber(ARGV[2])
begin_writing(KEYS[1])
local longer = due and redate(KEYS[3], h, due)
if ARGV[3] ~= '' then h.priority = ARGV[3] end
redis.call('HSET', KEYS[2], ARGV[1], rewrite(h, e))
if longer then redis.call('HSET', KEYS[3], h.id, h.id_until) end
if due then
  redis.call('ZADD', KEYS[1], text(due), ARGV[1])
  if redis.call('ZRANGE', KEYS[1], 0, 0)[1] == ARGV[1] then wake(KEYS[4], 1, 0) end
end
return {now, 'ok'}
