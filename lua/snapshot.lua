-- snapshot: notes how a topic is, for its history, unless that was done in this minute already.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 dlq, 7 consumers, 8 stats, 9 history:1m,
--         10 history:10m
-- ARGV    1 most entries of history:1m, 2 most of history:10m
-- returns now, entries written: 0 (there is one of this minute, or it would be like the last one) to 2
-- cost    O(1), plus the cancelled messages at the heads of the lists, of which it looks at 32 in each
-- keeps   no message and no counter is touched; the lists do not grow beyond what ARGV says; what is not written now is
--         written by the next call, whoever makes it
-- @include now
-- @include begin_writing
-- @include envelope
-- @include ages
local counted = redis.call('HMGET', KEYS[8], 'produced', 'duplicates', 'completed', 'retried', 'dead', 'dropped', 'expired',
  'cancelled', 'lease_lost', 'recovered', 'requeued', 'removed', 'discarded')
for i = 1, 13 do counted[i] = counted[i] or '0' end
local waiting, oldest = 0, 0
for i = 1, 4 do
  waiting = waiting + redis.call('LLEN', KEYS[i])
  local due = first_due(KEYS[i])
  if due >= 0 then oldest = math.max(oldest, now - due) end
end
local due = next_due(KEYS[5])
if due >= 0 then oldest = math.max(oldest, now - due) end
local figures = table.concat(counted, ' ') .. ' ' .. text(waiting) .. ' ' .. text(redis.call('ZCARD', KEYS[5])) .. ' ' ..
  text(redis.call('ZCARD', KEYS[6])) .. ' ' .. text(redis.call('ZCARD', KEYS[7])) .. ' ' .. text(oldest)
-- note(key, ms, most): one entry a step of so many ms.
local function note(key, ms, most)
  local step = text(math.floor(now / ms) * ms)
  local last = redis.call('LRANGE', key, -1, -1)[1]
  if last then
    local at = string.match(last, '^%d+')
    if at and #at <= 15 and tonumber(at) >= tonumber(step) then return 0 end
    if string.sub(last, #(at or '') + 2) == figures then return 0 end
  end
  begin_writing(KEYS[7])
  if redis.call('RPUSH', key, step .. ' ' .. figures) > tonumber(most) then redis.call('LTRIM', key, -tonumber(most), -1) end
  return 1
end
return {now, note(KEYS[9], 60000, ARGV[1]) + note(KEYS[10], 600000, ARGV[2])}
