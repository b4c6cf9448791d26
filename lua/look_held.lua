-- look_held: looks at messages that a consumer holds. Reads only.
-- KEYS    1 processing:<consumer>, 2 consumers
-- ARGV    1 consumer, 2 most bytes (one message is always allowed), 3 most that are told; then as look_list; then tags
-- returns when its lease ends ('' = it has none), tags looked at, then of each one that fits: tag, bytes, and the
--         envelope, with so much of its payload
-- cost    O(tags)
-- keeps   writes nothing
-- @include look
local left, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local w, first = wanted(4)
local out = {redis.call('ZSCORE', KEYS[2], ARGV[1]) or '', 0}
for i = first, #ARGV do
  if room == 0 or (left < 0 and i > first) then break end
  local e = redis.call('HGET', KEYS[1], ARGV[i])
  out[2] = out[2] + 1
  if e then
    left = left - #e
    if fits(w, e, '') then
      out[#out + 1] = ARGV[i]
      out[#out + 1] = #e
      out[#out + 1] = shown(w, e)
      room = room - 1
    end
  end
end
return out
