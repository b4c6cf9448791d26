-- retry: moves failed messages to the delayed ones.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 stats, 4 delayed, 5 delayed:data, 6 wake
-- ARGV    1 consumer, then five for each message: tag, delay ms, member (its id), length of the stored head,
--         new head (all before the payload: the payload is taken from the stored bytes)
-- returns now, 'ok', how many were moved; or now, 'lost' as ack does
-- cost    O(messages * log delayed)
-- keeps   data before index before removal; a new earliest due time arms the marker
-- @include now
-- @include text
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[2], '')  -- a first write that a full Redis allows
if not score or tonumber(score) <= 0 then
  redis.call('HINCRBY', KEYS[3], 'lease_lost', (#ARGV - 1) / 5)
  return {now, 'lost'}
end
local tags, first = {}, nil
for i = 2, #ARGV, 5 do
  local tag, member = ARGV[i], ARGV[i + 2]
  local e = redis.call('HGET', KEYS[1], tag)
  if e then
    e = ARGV[i + 4] .. string.sub(e, tonumber(ARGV[i + 3]) + 1)
    if redis.call('HSETNX', KEYS[5], member, e) == 0 then
      member = member .. '~' .. tag .. '~' .. ARGV[1]
      redis.call('HSET', KEYS[5], member, e)
    end
    local due = now + tonumber(ARGV[i + 1])
    redis.call('ZADD', KEYS[4], text(due), member)
    if not first or due < first[1] then first = {due, member} end
    tags[#tags + 1] = tag
  end
end
if #tags > 0 then
  redis.call('HINCRBY', KEYS[3], 'retried', #tags)
  if redis.call('ZRANGE', KEYS[4], 0, 0)[1] == first[2] then redis.call('ZADD', KEYS[6], 0, '0') end
  for i = 1, #tags, 1000 do redis.call('HDEL', KEYS[1], unpack(tags, i, math.min(i + 999, #tags))) end
end
return {now, 'ok', #tags}
