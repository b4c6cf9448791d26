-- forget: removes all that is left of a topic that holds no message.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 dlq, 7 consumers, 8 idle,
--         9 delayed:data, 10 dlq:data, 11 ids, 12 history:1m, 13 history:10m, 14 stats
-- ARGV    1 most elements of cancelled messages looked at in each list (at least 1);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'gone'; or now, 'used': a message waits, is delayed or dead, or a consumer whose lease goes on may hold
--         some; or now, 'lapsed', a consumer whose lease ran out: to be reaped first. Without 'gone' nothing is changed
-- cost    O(elements looked at)
-- keeps   nothing is removed while a message is anywhere; the counters go last; who is idle is told, and
--         so listed again
-- @include now
-- @include wake
local most = tonumber(ARGV[1])
for i = 1, 4 do
  for k = 0, most do
    local e = redis.call('LRANGE', KEYS[i], k, k)[1]
    if not e then break end
    if e ~= '' or k == most then return {now, 'used'} end
  end
end
for i = 5, 6 do
  if redis.call('EXISTS', KEYS[i]) == 1 then return {now, 'used'} end
end
local first = redis.call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')
if first[1] then
  if tonumber(first[2]) <= now then return {now, 'lapsed', first[1]} end
  return {now, 'used'}
end
tell(KEYS[8], 32, 0)
for i = 1, 14 do redis.call('UNLINK', KEYS[i]) end
return {now, 'gone'}
