-- sweep: takes expired messages from the heads of the lists, heals the marker, tells of leases that ran out.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 consumers, 7 wake, 8 stats, 9 dlq,
--         10 dlq:data, 11 ids
-- ARGV    1 consumer, 2 number of this sweep, 3 most messages, 4 most bytes, 5 dead | drop (what becomes of an expired
--         message), 6 longest lease allowed ms, 7 cap of the dead letters (0 = none)
-- returns now, 'ok', messages taken, an expired one may be left (0/1), a consumer whose lease ran out (or ''),
--         there are suspects (0/1), then the members that the cap dropped
-- cost    O(messages taken)
-- keeps   an expired message is among the dead letters (or counted, if they are dropped) before it leaves its list;
--         a list that is not empty, or a message that is due, arms the marker; no lease ends later than the longest
--         allowed
-- @include now
-- @include begin_writing
-- @include envelope
-- @include put
-- @include bury
-- @include unbury
-- @include remove
-- @include cap
local allowed = false
local function allow()
  if not allowed then begin_writing(KEYS[6]) end
  allowed = true
end
local out = {now, 'ok', 0, 0, '', 0}
local longest = now + tonumber(ARGV[6])
local far = redis.call('ZREVRANGE', KEYS[6], 0, 0, 'WITHSCORES')
if far[1] and tonumber(far[2]) > longest then
  allow()
  redis.call('ZADD', KEYS[6], text(longest), far[1])
end
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, 2)
if #lapsed > 0 then
  if lapsed[1] ~= ARGV[1] then out[5] = lapsed[1] elseif lapsed[2] then out[5] = lapsed[2] end
end
local room, left, taken, dead, lost, full = tonumber(ARGV[3]), tonumber(ARGV[4]), 0, 0, 0, false
local unread, cut, free, some_left = 0, {}, {}, false
for i = 1, 4 do
  local k, step = 0, 4
  local go = true
  while go do
    local b = redis.call('LRANGE', KEYS[i], k, k + step)
    if #b == 0 then break end
    for j = 1, #b do
      local e = b[j]
      local h = e ~= '' and head(e)
      if h and h.expire > now then
        go = false
        some_left = true
        if i == 4 then out[6] = 1 end
        break
      end
      if taken >= room or (left < 0 and taken > 0) then
        go = false
        some_left = true
        full = true
        break
      end
      allow()
      if h and ARGV[5] == 'drop' then
        if h.id_until ~= '0' and redis.call('HGET', KEYS[11], h.id) == h.id_until then free[#free + 1] = h.id end
        lost = lost + 1
      elseif h then
        bury(KEYS[9], KEYS[10], KEYS[11], h.id, 'expired\t', e, h)
        dead = dead + 1
      elseif e ~= '' then
        unread = unread + 1
        bury(KEYS[9], KEYS[10], KEYS[11], '!' .. ARGV[1] .. '.s' .. ARGV[2] .. '.' .. unread, 'decode\t', e, nil)
      end
      left = left - #e
      taken = taken + 1
      k = k + 1
    end
    if #b <= step then go = false end
    step = step * 2
  end
  cut[i] = k
end
out[3] = taken
if full then out[4] = 1 end
if dead + lost > 0 then redis.call('HINCRBY', KEYS[8], 'expired', dead + lost) end
if lost > 0 then redis.call('HINCRBY', KEYS[8], 'discarded', lost) end
if dead + unread > 0 then redis.call('HINCRBY', KEYS[8], 'dead', dead + unread) end
local dropped = cap(KEYS[9], KEYS[10], KEYS[11], KEYS[8], tonumber(ARGV[7]), dead + unread, free)
local due = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
if some_left or (due[1] and tonumber(due[2]) <= now) then
  allow()
  redis.call('ZADD', KEYS[7], 0, '0')
end
for i = 1, 4 do
  if cut[i] > 0 then redis.call('LTRIM', KEYS[i], cut[i], -1) end
end
for i = 1, #dropped do out[6 + i] = dropped[i] end
return out
