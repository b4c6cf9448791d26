-- cancel_page: looks for a waiting message in one page of one list and empties its element.
-- KEYS    1 a ready list, 2 ids, 3 stats, 4 idle
-- ARGV    1 id, 2 elements from the tail to pass over, 3 most elements, 4 most bytes (one element is always allowed)
-- returns found (0/1), elements looked at, the head of the list was reached (0/1)
-- cost    O(elements looked at)
-- keeps   a chosen id is free before its message is gone; claimers drop the empty element
-- @include begin_writing
-- @include envelope
local passed, most, left = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local seen, step = 0, 16
while seen < most and (seen == 0 or left >= 0) do
  local ask = math.min(step, most - seen)
  local from = passed + seen
  local b = redis.call('LRANGE', KEYS[1], -(from + ask), -(from + 1))
  for j = #b, 1, -1 do
    local e = b[j]
    if may_have_id(e, ARGV[1]) then
      local h = head(e)
      if h then
        begin_writing(KEYS[4])
        if h.id_until ~= '0' and redis.call('HGET', KEYS[2], h.id) == h.id_until then redis.call('HDEL', KEYS[2], h.id) end
        redis.call('HINCRBY', KEYS[3], 'cancelled', 1)
        redis.call('LSET', KEYS[1], -(from + #b - j + 1), '')
        return {1, seen + #b - j + 1, 0}
      end
    end
    left = left - #e
  end
  seen = seen + #b
  if #b < ask then return {0, seen, 1} end
  step = step * 2
end
return {0, seen, 0}
