-- look_index: looks at a page of the delayed messages or of the dead letters. Reads only.
-- KEYS    1 delayed or dlq, 2 its data
-- ARGV    1 1 to go from the latest to the first, 2 members to pass over, 3 most members, 4 most bytes (one message is
--         always allowed), 5 most that are told, 6 1 for dead letters; then as look_list
-- returns how many there are, members looked at, then of each one that fits: member, score, bytes of its envelope, the
--         line before it ('' of delayed ones), and the envelope, with so much of its payload
-- cost    O(log of all + members looked at)
-- keeps   writes nothing
-- @include look
-- @include unbury
local passed, most, left = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local room, dead, w = tonumber(ARGV[5]), ARGV[6] == '1', wanted(7)
local out = {redis.call('ZCARD', KEYS[1]), 0}
if most <= 0 or room <= 0 then return out end
local rows
if ARGV[1] == '1' then
  rows = redis.call('ZREVRANGE', KEYS[1], passed, passed + most - 1, 'WITHSCORES')
else
  rows = redis.call('ZRANGE', KEYS[1], passed, passed + most - 1, 'WITHSCORES')
end
for i = 1, #rows, 2 do
  if room == 0 or (left < 0 and i > 1) then break end
  local v = redis.call('HGET', KEYS[2], rows[i])
  out[2] = out[2] + 1
  if v then
    left = left - #v
    local line, e = '', v
    if dead then line, e = string.match(v, '^[^\n]*'), inner(v) end
    if fits(w, e, line) or (dead and e == '' and w.kind == '') then
      out[#out + 1] = rows[i]
      out[#out + 1] = rows[i + 1]
      out[#out + 1] = #e
      out[#out + 1] = line
      out[#out + 1] = shown(w, e)
      room = room - 1
    end
  end
end
return out
