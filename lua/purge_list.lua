-- purge_list: one bounded step of throwing away what waits in a list and was produced before the first step.
-- KEYS    1 a ready list, 2 ids, 3 stats, 4 idle
-- ARGV    1 only what was produced by this ms (first step: 0 = by now; further ones: the now that the first returned),
--         2 elements from the head to pass over: those that earlier steps left, 3 most elements, 4 most bytes (one
--         element is always allowed)
-- returns now, how many it threw away, how many elements it left, the end of the list was reached (0/1)
-- cost    O(elements looked at)
-- keeps   a chosen id is free before its message is gone; what cannot be read stays; behind what it kept it leaves empty
--         elements, which claimers drop
-- @include now
-- @include begin_writing
-- @include envelope
-- @include remove
local by, passed, most, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if by == 0 then by = now end
local free, holes, gone, kept, seen, cut, step, ended = {}, {}, 0, 0, 0, 0, 2, false
while not ended and seen < most and (seen == 0 or left >= 0) do
  local ask, from = math.min(step, most - seen), passed + seen
  local b = redis.call('LRANGE', KEYS[1], from, from + ask - 1)
  for j = 1, #b do
    local e = b[j]
    local h = e ~= '' and head(e)
    left = left - #e
    if e ~= '' and not (h and tonumber(h.created) <= by) then
      kept = kept + 1
    else
      if h then
        gone = gone + 1
        if h.id_until ~= '0' and redis.call('HGET', KEYS[2], h.id) == h.id_until then free[#free + 1] = h.id end
      end
      if passed + kept == 0 then cut = cut + 1 elseif h then holes[#holes + 1] = from + j - 1 end
    end
  end
  seen = seen + #b
  ended = #b < ask
  step = step * 2
end
local out = {now, gone, seen - cut, ended and 1 or 0}
if cut + gone == 0 then return out end
begin_writing(KEYS[4])
remove('HDEL', KEYS[2], free)
if gone > 0 then redis.call('HINCRBY', KEYS[3], 'discarded', gone) end
for i = 1, #holes do redis.call('LSET', KEYS[1], holes[i], '') end
if cut > 0 then redis.call('LTRIM', KEYS[1], cut, -1) end
return out
