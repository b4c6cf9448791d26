-- cap(dlq, data, ids, stats, most, added): drops the oldest dead letters over the cap `most` (0 = none), at most two for
-- each one added, and returns their members.
local function cap(dlq, data, ids, stats, most, added)
  if most <= 0 or added == 0 then return {} end
  local over = redis.call('ZCARD', dlq) - most
  if over > 2 * added then over = 2 * added end
  if over <= 0 then return {} end
  local gone = redis.call('ZRANGE', dlq, 0, over - 1)
  for i = 1, #gone do
    local v = redis.call('HGET', data, gone[i])
    if v then release_id(ids, inner(v)) end
  end
  redis.call('HINCRBY', stats, 'dropped', #gone)
  for i = 1, #gone do
    redis.call('ZREM', dlq, gone[i])
    redis.call('HDEL', data, gone[i])
  end
  return gone
end
