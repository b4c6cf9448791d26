-- leave: takes a consumer that holds nothing out of the topic.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 idle, 4 stats, 5 ready:high, 6 ready:normal, 7 ready:low, 8 delayed
-- ARGV    1 consumer, 2 due ms of the alarm that it keeps (0 = none; -1 = not known, as a claim's reply was lost or is
--         not there yet: whatever alarm there is counts as the caller's); last: the command that publishes, PUBLISH or
--         SPUBLISH
-- returns messages it still holds: if any, its entry stays and its lease decides
-- cost    O(log idle)
-- keeps   an alarm that the consumer has, or a wake-up that it was sent, is not lost with it: another one is woken
-- @include now
-- @include begin_writing
-- @include wake
-- @include takeable
begin_writing(KEYS[3])
local me = alias(ARGV[1])
local since = redis.call('ZSCORE', KEYS[3], me)
local handed = not (since and tonumber(since) > 0) and takeable(KEYS[5], KEYS[6], KEYS[7], KEYS[8])
local alarm = ARGV[2] ~= '0' and redis.call('HGET', KEYS[4], 'alarm')
if alarm and (alarm == ARGV[2] or ARGV[2] == '-1') then
  handed = true
  redis.call('HDEL', KEYS[4], 'alarm')
end
if handed then
  wake(KEYS[3], 1, 0, me, since and me)
elseif since then
  redis.call('ZREM', KEYS[3], me)
end
local held = redis.call('HLEN', KEYS[1])
if held == 0 then
  local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if score and tonumber(score) > 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
end
return held
