-- suspect: moves one suspect to a consumer of a process that holds nothing else.
-- KEYS    1 ready:suspect, 2 processing:<consumer>, 3 consumers
-- ARGV    1 consumer, 2 lease ms, 3 number of this claim, 4 1 if the consumer holds and settles nothing
-- returns now, 'ok', there are more suspects (0/1), and the envelope if there was one (its tag is '<number>.1')
--         or now, 'lost' as claim does
-- cost    O(1), plus the cancelled ones at the head, at most 1,000
-- keeps   as claim does
-- @include now
-- @include begin_writing
-- @include after
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
if (score and tonumber(score) <= 0) or (not score and ARGV[4] == '0') then return {now, 'lost'} end
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
if k == 0 then return {now, 'ok', 0} end
begin_writing(KEYS[3])
if e then
  redis.call('ZADD', KEYS[3], after(tonumber(ARGV[2])), ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[3] .. '.1', e)
end
redis.call('LTRIM', KEYS[1], k, -1)
return {now, 'ok', left, e}
