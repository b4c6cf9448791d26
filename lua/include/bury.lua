-- bury(dlq, data, ids, member, line, e, h): adds a dead letter, the envelope e byte for byte behind its line; a chosen id
-- is kept as dead (0) if its entry is this message's own. h = head(e) or nil.
local function bury(dlq, data, ids, member, line, e, h)
  put(dlq, data, member, text(now), line .. '\n' .. e)
  if h and h.stamp ~= '0' and redis.call('HGET', ids, h.id) == h.stamp then redis.call('HSET', ids, h.id, '0') end
end
