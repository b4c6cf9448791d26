-- retry: moves failed messages to the delayed ones.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 stats, 4 delayed, 5 delayed:data, 6 idle
-- ARGV    1 consumer, then five for each message: tag, delay ms, member (its id), length of the stored head,
--         new head (all before the payload: the payload is taken from the stored bytes);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', how many were moved; or now, 'lost' as ack does
-- cost    O(messages * log delayed)
-- keeps   data before index before removal; no delay is short: it counts from the end of the ms that the server shows; a
--         message that is now the first of the delayed ones wakes an idle consumer
-- @include now
-- @include begin_writing
-- @include after
-- @include wake
-- @include put
-- @include remove
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
begin_writing(KEYS[2])
if not score or tonumber(score) <= 0 then
  redis.call('HINCRBY', KEYS[3], 'lease_lost', (#ARGV - 1) / 5)
  return {now, 'lost'}
end
local tags, mine = {}, {}
for i = 2, #ARGV, 5 do
  local tag = ARGV[i]
  local e = redis.call('HGET', KEYS[1], tag)
  if e then
    e = ARGV[i + 4] .. string.sub(e, tonumber(ARGV[i + 3]) + 1)
    local due = ARGV[i + 1] == '0' and text(now) or after(tonumber(ARGV[i + 1]))
    mine[put(KEYS[4], KEYS[5], ARGV[i + 2], due, e)] = true
    tags[#tags + 1] = tag
  end
end
if #tags > 0 then
  redis.call('HINCRBY', KEYS[3], 'retried', #tags)
  if mine[redis.call('ZRANGE', KEYS[4], 0, 0)[1]] then wake(KEYS[6], 1, 0) end
  remove('HDEL', KEYS[1], tags)
end
return {now, 'ok', #tags}
