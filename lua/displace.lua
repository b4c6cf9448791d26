-- displace: moves a waiting message, looked for in a page of its list, to another list or to the delayed ones.
-- KEYS    1 the ready list it is in, 2 idle, then another ready list, or delayed, delayed:data, ids
-- ARGV    1 id, 2 elements from the head to pass over, 3 most elements, 4 most bytes (one element is always allowed),
--         5 the priority that it is to have: h, n or l; or the ms at which it is to be due;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok' | 'none' (it is not in that page)
-- cost    O(elements looked at), and of those before it one for each 8 KB
-- keeps   it is in its new place before it leaves an empty element in the old one, which claimers drop; a message that
--         comes into an empty list, or is now the first of the delayed ones, wakes an idle consumer
-- @include now
-- @include begin_writing
-- @include envelope
-- @include redate
-- @include put
-- @include wake
local passed, most, left = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local seen, step, at, e, h = 0, 2, nil, nil, nil
while not h and seen < most and (seen == 0 or left >= 0) do
  local from = passed + seen
  local b = redis.call('LRANGE', KEYS[1], from, from + math.min(step, most - seen) - 1)
  if #b == 0 then break end
  for j = 1, #b do
    h = may_have_id(b[j], ARGV[1]) and head(b[j])
    if h then
      at, e = from + j - 1, b[j]
      break
    end
    left = left - #b[j]
  end
  seen = seen + #b
  step = step * 2
end
if not h then return {now, 'none'} end
begin_writing(KEYS[2])
local first = false
if KEYS[4] then
  local longer = redate(KEYS[5], h, tonumber(ARGV[5]))
  local name = put(KEYS[3], KEYS[4], h.id, ARGV[5], rewrite(h, e))
  if longer then redis.call('HSET', KEYS[5], h.id, h.id_until) end
  first = redis.call('ZRANGE', KEYS[3], 0, 0)[1] == name
else
  h.priority = ARGV[5]
  first = redis.call('RPUSH', KEYS[3], rewrite(h, e)) == 1
end
if first then wake(KEYS[2], 1, 0) end
redis.call('LSET', KEYS[1], at, '')
return {now, 'ok'}
