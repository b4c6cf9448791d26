-- promote: makes delayed messages ready before they are due.
-- KEYS    1 delayed, 2 delayed:data, 3 ready:high, 4 ready:normal, 5 ready:low, 6 ready:suspect, 7 idle
-- ARGV    ids; last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, then for each id 1, or 0 if no delayed message has it
-- cost    O(ids * log delayed)
-- keeps   a message is ready before it leaves the delayed ones; what comes into an empty list wakes an idle consumer,
--         and so does what comes to others, unless one was told less than 20 ms ago
-- @include now
-- @include begin_writing
-- @include envelope
-- @include wake
-- @include remove
local ready = {h = KEYS[3], n = KEYS[4], l = KEYS[5], s = KEYS[6]}
local out, gone, seen, some = {now}, {}, {}, false
for i = 1, #ARGV do
  local id = ARGV[i]
  local e = not seen[id] and redis.call('ZSCORE', KEYS[1], id) and redis.call('HGET', KEYS[2], id)
  local h = e and head(e)
  out[i + 1] = 0
  if e and (not h or h.id == id) then  -- else a member with a suffix that looks like this id
    if #gone == 0 then begin_writing(KEYS[1]) end
    some = redis.call('RPUSH', ready[home(e)], e) == 1 or some
    seen[id] = true
    gone[#gone + 1] = id
    out[i + 1] = 1
  end
end
if #gone == 0 then return out end
if some then wake(KEYS[7], 1, 0) else wake_again(KEYS[7]) end
remove('ZREM', KEYS[1], gone)
remove('HDEL', KEYS[2], gone)
return out
