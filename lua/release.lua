-- release: gives messages back to the head of their lists.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 stats, 4 ready:high, 5 ready:normal, 6 ready:low, 7 ready:suspect,
--         8 idle
-- ARGV    1 consumer, then three for each message, the newest first: tag, length of the stored head, new head
--         ('' = as it is stored: its handler had not begun); last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', how many were given back; or now, 'lost' as ack does
-- cost    O(messages)
-- keeps   each is back in its list, in the consumer's order, before it leaves the consumer; an idle one is woken
-- @include now
-- @include begin_writing
-- @include envelope
-- @include wake
-- @include remove
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
begin_writing(KEYS[2])
if not score or tonumber(score) <= 0 then
  redis.call('HINCRBY', KEYS[3], 'lease_lost', (#ARGV - 1) / 3)
  return {now, 'lost'}
end
local ready = {h = KEYS[4], n = KEYS[5], l = KEYS[6], s = KEYS[7]}
local tags = {}
for i = 2, #ARGV, 3 do
  local e = redis.call('HGET', KEYS[1], ARGV[i])
  if e then
    if ARGV[i + 2] ~= '' then e = ARGV[i + 2] .. string.sub(e, tonumber(ARGV[i + 1]) + 1) end
    redis.call('LPUSH', ready[home(e)], e)
    tags[#tags + 1] = ARGV[i]
  end
end
if #tags > 0 then
  wake(KEYS[8], 1, 0)
  remove('HDEL', KEYS[1], tags)
end
return {now, 'ok', #tags}
