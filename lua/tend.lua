-- tend: the heartbeat of a consumer, which also settles whether both sides know of the same messages.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 ready:high, 4 ready:normal, 5 ready:low, 6 ready:suspect, 7 idle
-- ARGV    1 consumer, 2 lease ms, 3 last claim number that was answered or given up, 4 most messages given back,
--         5 most bytes given back (one message is always allowed), then every tag held or being settled;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', more is to be given back (0/1), then the named tags that are missing
--         or now, 'lost': not registered or being reaped; nothing changed
-- cost    O(messages of this consumer)
-- keeps   renews a registered consumer and never registers one; messages under claim numbers up to the last one that
--         are not named (the claim's reply was lost) return to the head of their lists, no recovery counted, and
--         an idle consumer is woken
-- @include now
-- @include begin_writing
-- @include after
-- @include envelope
-- @include wake
-- @include newest
-- @include remove
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score or tonumber(score) <= 0 then return {now, 'lost'} end
local named, have, strays = {}, {}, {}
for i = 6, #ARGV do named[ARGV[i]] = true end
local last = tonumber(ARGV[3])
local tags = redis.call('HKEYS', KEYS[1])
for i = 1, #tags do
  local tag = tags[i]
  have[tag] = true
  if not named[tag] then
    local c = tonumber(string.match(tag, '^(%d+)%.%d+$') or 0)
    if c <= last then strays[#strays + 1] = tag end
  end
end
local out = {now, 'ok', 0}
for i = 6, #ARGV do
  if not have[ARGV[i]] then out[#out + 1] = ARGV[i] end
end
begin_writing(KEYS[2])
redis.call('ZADD', KEYS[2], after(tonumber(ARGV[2])), ARGV[1])
if #strays > 0 then
  local ready = {h = KEYS[3], n = KEYS[4], l = KEYS[5], s = KEYS[6]}
  local rows, back, left = newest(strays), {}, tonumber(ARGV[5])
  for i = 1, #rows do
    if #back >= tonumber(ARGV[4]) or (left < 0 and #back > 0) then
      out[3] = 1
      break
    end
    local e = redis.call('HGET', KEYS[1], rows[i][3])
    left = left - #e
    redis.call('LPUSH', ready[home(e)], e)
    back[#back + 1] = rows[i][3]
  end
  wake(KEYS[7], 1, 0)
  remove('HDEL', KEYS[1], back)
end
return out
