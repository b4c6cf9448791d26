-- unlist: takes a consumer out of the idle ones, because it will not claim any more.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 delayed, 5 idle
-- ARGV    1 consumer; last: the command that publishes, PUBLISH or SPUBLISH
-- returns whether it was among them (0/1)
-- cost    O(log idle)
-- keeps   a wake-up that it was sent is not lost with it: if it is not idle and there is work, another one is woken
-- @include now
-- @include begin_writing
-- @include wake
-- @include takeable
begin_writing(KEYS[5])
local me = alias(ARGV[1])
local since = redis.call('ZSCORE', KEYS[5], me)
if not (since and tonumber(since) > 0) and takeable(KEYS[1], KEYS[2], KEYS[3], KEYS[4]) then
  wake(KEYS[5], 1, 0, me, since and me)
elseif since then
  redis.call('ZREM', KEYS[5], me)
end
return since and 1 or 0
