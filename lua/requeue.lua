-- requeue: makes one dead letter ready again, at the tail of its own priority.
-- KEYS    1 dlq, 2 dlq:data, 3 ready:high, 4 ready:normal, 5 ready:low, 6 idle, 7 stats, 8 ids
-- ARGV    1 member; last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok' | 'none' (no such dead letter) | 'unreadable' (no envelope: it stays where it is)
-- cost    O(log dlq)
-- keeps   the message is ready, its id taken, before it leaves the dead letters; it wakes an idle consumer
-- @include now
-- @include begin_writing
-- @include envelope
-- @include wake
-- @include unbury
-- @include revive
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {now, 'none'} end
local v = redis.call('HGET', KEYS[2], ARGV[1])
if not v then return {now, 'none'} end
begin_writing(KEYS[6])
local done, first = revive(ARGV[1], v)
if not done then return {now, 'unreadable'} end
if first then wake(KEYS[6], 1, 0) else wake_again(KEYS[6]) end
return {now, 'ok'}
