-- look_list: looks at a page of a ready list. Reads only.
-- KEYS    1 a ready list
-- ARGV    1 1 to go from the tail to the head, 2 elements to pass over, 3 most elements, 4 most bytes (one element is
--         always allowed), 5 most that are told; then what is told, and of which: most bytes of each payload, what must
--         fit ('' | id | payload | headers | error), how many texts, and those
-- returns the length of the list, elements looked at, then of each one that fits its place (from the head, from 0), its
--         bytes, and the envelope, with so much of its payload
-- cost    O(elements looked at), and of those passed over one for each 8 KB
-- keeps   writes nothing
-- @include look
local length = redis.call('LLEN', KEYS[1])
local back, passed, most = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3])
local left, room, w = tonumber(ARGV[4]), tonumber(ARGV[5]), wanted(6)
local out, seen, step = {length, 0}, 0, 2
most = math.min(most, length - passed)
while seen < most and room > 0 and (seen == 0 or left >= 0) do
  local ask, from = math.min(step, most - seen), passed + seen
  local first, last = from, from + ask - 1
  if back then first, last = length - from - ask, length - from - 1 end
  local b = redis.call('LRANGE', KEYS[1], first, last)
  for j = 1, #b do
    local at = back and #b - j + 1 or j
    local e = b[at]
    seen = seen + 1
    left = left - #e
    if fits(w, e, '') then
      out[#out + 1] = first + at - 1
      out[#out + 1] = #e
      out[#out + 1] = shown(w, e)
      room = room - 1
    end
    if room == 0 or left < 0 then break end
  end
  step = step * 2
end
out[2] = seen
return out
