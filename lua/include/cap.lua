-- cap(dlq, data, ids, stats, most, added, free): drops the oldest dead letters beyond the cap `most` (0 = none), at
-- most two for each one added, and returns their members. Their chosen ids, and those in `free`, are freed before that.
local function cap(dlq, data, ids, stats, most, added, free)
  local over, gone = 0, {}
  if most > 0 and added > 0 then over = math.min(redis.call('ZCARD', dlq) - most, 2 * added) end
  if over > 0 then gone = redis.call('ZRANGE', dlq, 0, over - 1) end
  for i = 1, #gone do
    local v = redis.call('HGET', data, gone[i])
    if v then spent(ids, free, inner(v)) end
  end
  remove('HDEL', ids, free)
  if #gone > 0 then redis.call('HINCRBY', stats, 'dropped', #gone) end
  remove('ZREM', dlq, gone)
  remove('HDEL', data, gone)
  return gone
end
