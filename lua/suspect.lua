-- suspect: moves one suspect to a consumer of a process that holds nothing else.
-- KEYS    1 ready:suspect, 2 processing:<consumer>, 3 consumers, 4 settings
-- ARGV    1 consumer, 2 lease ms, 3 number of this claim, 4 1 if the consumer holds and settles nothing
-- returns now, 'ok', there are more suspects (0/1), then, if anything is set for the topic, the version of its settings
--         (-1 = it cannot be read), then the envelope if there was one (its tag is '<number>.1'). Of a paused topic
--         none is taken nor told of
--         or now, 'lost' as claim does
-- cost    O(1), plus the cancelled ones at the head, at most 1,000
-- keeps   as claim does
-- @include now
-- @include begin_writing
-- @include after
-- @include version
-- @include paused
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
if (score and tonumber(score) <= 0) or (not score and ARGV[4] == '0') then return {now, 'lost'} end
local got = {now, 'ok', 0}
local set = redis.call('HMGET', KEYS[4], 'version', 'paused_until')
if set[1] then got[4] = version_of(set[1]) end
if paused_until(set[2]) > now then return got end
local k, e, left = 0, nil, 0
while k < 1000 do
  local b = redis.call('LRANGE', KEYS[1], k, k + 1)
  if #b == 0 then break end
  k = k + 1
  left = #b - 1
  if b[1] ~= '' then
    e = b[1]
    break
  end
end
if k == 0 then return got end
begin_writing(KEYS[3])
if e then
  redis.call('ZADD', KEYS[3], after(tonumber(ARGV[2])), ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[3] .. '.1', e)
end
redis.call('LTRIM', KEYS[1], k, -1)
got[3] = left
got[#got + 1] = e
return got
