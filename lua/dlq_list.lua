-- dlq_list: a page of dead letters, the newest first. Reads only.
-- KEYS    1 dlq, 2 dlq:data
-- ARGV    1 offset, 2 most messages, 3 most bytes (one message is always allowed)
-- returns members looked at (less than asked for where the bytes ran out, 0 at the end), then member, dead-at ms,
--         line and envelope for each
-- cost    O(log dlq + messages)
-- keeps   writes nothing
local offset, most, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if most <= 0 then return {0} end
local rows = redis.call('ZREVRANGE', KEYS[1], offset, offset + most - 1, 'WITHSCORES')
local out = {0}
for i = 1, #rows, 2 do
  if left < 0 then break end
  local v = redis.call('HGET', KEYS[2], rows[i])
  out[1] = out[1] + 1
  if v then
    left = left - #v
    out[#out + 1] = rows[i]
    out[#out + 1] = rows[i + 1]
    out[#out + 1] = v
  end
end
return out
