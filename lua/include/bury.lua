-- bury(dlq, data, ids, member, line, e, h): adds a dead letter: its line, then the envelope e byte for byte. A chosen
-- id is noted as that of a dead letter (0), if its entry is this message's own. h is head(e), or nil.
local function bury(dlq, data, ids, member, line, e, h)
  put(dlq, data, member, text(now), line .. '\n' .. e)
  if h and h.id_until ~= '0' and redis.call('HGET', ids, h.id) == h.id_until then redis.call('HSET', ids, h.id, '0') end
end
