-- claim: promotes what is due, then moves ready messages, high before normal before low, to one consumer.
-- KEYS    1 ready:high, 2 ready:normal, 3 ready:low, 4 ready:suspect, 5 delayed, 6 delayed:data,
--         7 processing:<consumer>, 8 consumers, 9 idle, 10 stats, 11 settings
-- ARGV    1 most messages (0 = promote and wake only), 2 consumer, 3 lease ms, 4 most to promote,
--         5 number of this claim, 6 1 if the consumer holds and settles nothing, 7 most bytes (one message is always
--         allowed), 8 elements to read first (at least 1; each further read takes twice as many), 9 due ms of the
--         alarm that the caller keeps (0 = none; -1 = not known, as a claim's reply was lost: whatever alarm there is
--         counts as the caller's), 10 1 to be listed as idle if nothing is left, 11 1 if the caller may be listed;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', due ms of the alarm that the caller keeps from now on (-1 = none), a consumer whose lease ran out
--         (or ''), there are suspects (0/1), something is left in a list (0/1), the caller is listed as idle (0/1), then, if
--         anything is set for the topic, the version of its settings (-1 = it cannot be read), then the envelopes; the i-th
--         has the tag '<number of this claim>.<i>'. Of a paused topic nothing is taken, nothing is promoted, and no list and
--         no suspect is told of; the alarm is the end of the pause, if it ends by itself
--         or now, 'lost': the consumer is being reaped, or not registered though it holds something; nothing changed
-- cost    O(messages + log of delayed, for each one promoted); never O(length of a list)
-- keeps   a message is in its new place before it leaves the old one; the consumer's entry is written before its
--         hash; finding nothing writes nothing, but once that the caller is idle; if anything is left another one is woken,
--         and the caller is not listed; an alarm in the future has one keeper: a caller that is told of no alarm drops
--         the one it had
-- @include now
-- @include begin_writing
-- @include after
-- @include envelope
-- @include version
-- @include paused
-- @include wake
local want, me, lease = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local most, budget, slice, kept = tonumber(ARGV[4]), tonumber(ARGV[7]), math.max(1, tonumber(ARGV[8])), ARGV[9]
local score = redis.call('ZSCORE', KEYS[8], me)
if (score and tonumber(score) <= 0) or (not score and ARGV[6] == '0') then return {now, 'lost'} end
begin_writing(KEYS[8])  -- always: a server that is no master any more refuses it, and is found out
local write = redis.call

local got = {now, 'ok', -1, '', 0, 0, 0}
local some, paused = redis.call('EXISTS', KEYS[4], KEYS[11]), 0  -- of both at once, as most topics have neither
if some > 0 then
  local set = redis.call('HMGET', KEYS[11], 'version', 'paused_until')
  if set[1] then got[8] = version_of(set[1]) end
  paused = math.max(paused_until(set[2]) - now, 0)
  if paused == 0 and (some == 2 or (not set[1] and redis.call('EXISTS', KEYS[4]) == 1)) then got[5] = 1 end
end
local head_of_reply = #got
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[8], '-inf', now, 'LIMIT', 0, 2)
if #lapsed > 0 then
  if lapsed[1] ~= me then got[4] = lapsed[1] elseif lapsed[2] then got[4] = lapsed[2] end
end

local soon = paused > 0 and {} or redis.call('ZRANGE', KEYS[5], 0, most, 'WITHSCORES')
local due, following = {}, nil
if paused > 0 and now + paused < forever then following = now + paused end
for i = 1, #soon, 2 do
  local when = tonumber(soon[i + 1])
  if when > now or #due == most then
    following = when
    break
  end
  due[#due + 1] = soon[i]
end
local moved, bytes, step = 0, 0, slice
local ready = {h = KEYS[1], n = KEYS[2], l = KEYS[3], s = KEYS[4]}
while moved < #due and (moved == 0 or bytes < budget) do
  local upto = math.min(moved + step, #due, moved + 1000)
  local found = redis.call('HMGET', KEYS[6], unpack(due, moved + 1, upto))
  for i = 1, upto - moved do
    if found[i] then
      bytes = bytes + #found[i]
      local list = home(found[i])
      if list == 's' then got[5] = 1 end
      write('RPUSH', ready[list], found[i])
    end
  end
  moved = upto
  step = step * 2
end
if moved < #due then following = tonumber(soon[2 * moved + 2]) end

local n, more, left, holes = 0, false, budget, 0
local pairs_, cut = {}, {}
for i = 1, paused > 0 and 0 or 3 do
  local k = 0
  step = slice
  while not more do
    local ask = math.min(want - n, step)
    local b = redis.call('LRANGE', KEYS[i], k, k + ask)  -- one more than asked for tells whether anything is left
    local m = #b
    local over = m > ask
    if over then m = ask end
    for j = 1, m do
      local e = b[j]
      if e == '' then
        holes = holes + 1
      else
        left = left - #e
        if left < 0 and n > 0 then
          more = true
          break
        end
        n = n + 1
        pairs_[2 * n - 1] = ARGV[5] .. '.' .. n
        pairs_[2 * n] = e
        got[head_of_reply + n] = e
      end
      k = k + 1
    end
    if more or not over then break end
    if n >= want or holes >= 1000 then more = true end
    step = step * 2
  end
  cut[i] = k
end

if n > 0 then
  write('ZADD', KEYS[8], after(lease), me)
  for i = 1, 2 * n, 1000 do write('HSET', KEYS[7], unpack(pairs_, i, math.min(i + 999, 2 * n))) end
end
if more then got[6] = 1 end
local mine = alias(me)
if more or (following and following <= now) then
  wake(KEYS[9], 1, 0, mine, ARGV[11] == '1' and mine or nil)
elseif ARGV[10] == '1' then
  local since = redis.call('ZSCORE', KEYS[9], mine)
  if not since or tonumber(since) < 0 then write('ZADD', KEYS[9], text(now), mine) end
  got[7] = 1
elseif ARGV[11] == '1' then
  write('ZREM', KEYS[9], mine)
end
if following then
  local alarm = tonumber(redis.call('HGET', KEYS[10], 'alarm') or '')
  if not alarm or alarm <= now or alarm > following or kept == '-1' or alarm == tonumber(kept) then
    got[3] = following
    if alarm ~= following then write('HSET', KEYS[10], 'alarm', text(following)) end
  end
elseif kept ~= '0' then
  local alarm = redis.call('HGET', KEYS[10], 'alarm')
  if alarm and tonumber(alarm) > now and (kept == '-1' or kept == alarm) then write('HDEL', KEYS[10], 'alarm') end
end
for i = 1, 3 do
  if cut[i] and cut[i] > 0 then write('LTRIM', KEYS[i], cut[i], -1) end
end
for i = 1, moved, 1000 do
  local upto = math.min(i + 999, moved)
  write('ZREM', KEYS[5], unpack(due, i, upto))
  write('HDEL', KEYS[6], unpack(due, i, upto))
end
return got
