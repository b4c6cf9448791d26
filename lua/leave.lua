-- leave: takes a consumer that holds nothing out of the topic.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 wake, 4 stats
-- ARGV    1 consumer, 2 due ms of the alarm that it keeps (0 = none; -1 = not known, as a claim's reply was lost or is
--         not there yet: whatever alarm there is counts as the caller's), 3 it took the marker and has not claimed
--         since (0/1)
-- returns messages it still holds: if any, its entry stays and its lease decides
-- cost    O(1)
-- keeps   an alarm or marker that the consumer has is not lost with it: the marker is armed, so that another one looks
-- @include begin_writing
begin_writing(KEYS[3])
local arm = ARGV[3] == '1'
local alarm = ARGV[2] ~= '0' and redis.call('HGET', KEYS[4], 'alarm')
if alarm and (alarm == ARGV[2] or ARGV[2] == '-1') then
  arm = true
  redis.call('HDEL', KEYS[4], 'alarm')
end
if arm then redis.call('ZADD', KEYS[3], 0, '0') end
local held = redis.call('HLEN', KEYS[1])
if held == 0 then
  local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if score and tonumber(score) > 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
end
return held
