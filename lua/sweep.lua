-- sweep: takes expired messages from the heads of the lists, heals the idle ones, tells of leases that ran out.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 consumers, 7 idle, 8 stats, 9 dlq,
--         10 dlq:data, 11 ids, 12 settings
-- ARGV    1 consumer, 2 number of this sweep, 3 most messages, 4 most bytes, 5 dead | drop (what becomes of an expired
--         message), 6 longest lease allowed ms, 7 cap of the dead letters (0 = none);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', messages taken, an expired one may be left (0/1), a consumer whose lease ran out (or ''),
--         there are suspects (0/1), something is to be claimed (0/1), the caller is listed as idle or as told (0/1),
--         then, if anything is set for the topic, the version of its settings (-1 = it cannot be read), then the members
--         that the cap dropped. Of a paused topic nothing is to be claimed, and no suspect is told of
-- cost    O(messages taken)
-- keeps   an expired message is among the dead letters (or counted, if they are dropped) before it leaves its list;
--         if something is to be claimed an idle one is woken, unless one was told less than 20 ms ago; of the listed, 16 are
--         looked at, others by each sweep: whom nobody listens to is removed, and who was told 60 s ago; no lease ends
--         later than the longest allowed
-- @include now
-- @include begin_writing
-- @include after
-- @include envelope
-- @include put
-- @include bury
-- @include unbury
-- @include remove
-- @include cap
-- @include reasons
-- @include version
-- @include paused
-- @include wake
begin_writing(KEYS[6])  -- always: a server that is no master any more refuses it, and is found out
local out = {now, 'ok', 0, 0, '', 0, 0, 0}
local set = redis.call('HMGET', KEYS[12], 'version', 'paused_until')
if set[1] then out[9] = version_of(set[1]) end
local paused = paused_until(set[2]) > now
local head_of_reply = #out
local longest = after(tonumber(ARGV[6]))
local far = redis.call('ZREVRANGE', KEYS[6], 0, 0, 'WITHSCORES')
if far[1] and tonumber(far[2]) > tonumber(longest) then
  redis.call('ZADD', KEYS[6], longest, far[1])
end
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, 2)
if #lapsed > 0 then
  if lapsed[1] ~= ARGV[1] then out[5] = lapsed[1] elseif lapsed[2] then out[5] = lapsed[2] end
end
local room, left, taken, dead, lost, full = tonumber(ARGV[3]), tonumber(ARGV[4]), 0, 0, 0, false
local unread, cut, free, waits = 0, {}, {}, false
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
        if i == 4 then out[6] = paused and 0 or 1 else waits = true end
        break
      end
      if taken >= room or (left < 0 and taken > 0) then
        go = false
        if i < 4 then waits = true end
        full = true
        break
      end
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
count_dead(KEYS[8], {expired = dead, decode = unread})
local dropped = cap(KEYS[9], KEYS[10], KEYS[11], KEYS[8], tonumber(ARGV[7]), dead + unread, free)
local due = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
local me, told, gone = alias(ARGV[1]), {}, {}
if not paused and (waits or (due[1] and tonumber(due[2]) <= now)) then
  out[7] = 1
  if not quiet(KEYS[7]) then told, gone = tell(KEYS[7], 1, 0, me) end
end
if redis.call('ZSCORE', KEYS[7], me) then out[8] = 1 end
local listed = redis.call('ZCARD', KEYS[7])
if listed > 0 then
  local from = 16 * tonumber(ARGV[2]) % listed
  local some, heard = redis.call('ZRANGE', KEYS[7], from, from + 15), {}
  for i = 1, #some do heard[i] = channels(KEYS[7]) .. some[i] end
  heard = redis.pcall('PUBSUB', publish == 'SPUBLISH' and 'SHARDNUMSUB' or 'NUMSUB', unpack(heard))
  for i = 1, #some do
    if heard[2 * i] == 0 then gone[#gone + 1] = some[i] end
  end
  local old = redis.call('ZRANGEBYSCORE', KEYS[7], text(60000 - now), '(0', 'LIMIT', 0, 16)
  for i = 1, #old do gone[#gone + 1] = old[i] end
end
note(KEYS[7], told, gone)
for i = 1, 4 do
  if cut[i] > 0 then redis.call('LTRIM', KEYS[i], cut[i], -1) end
end
for i = 1, #dropped do out[head_of_reply + i] = dropped[i] end
return out
