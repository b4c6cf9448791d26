-- redate(ids, h, due): has the message with the head h be due at that ms, and expire its time to live after that. Its
-- chosen id counts as in use as much longer as it does, if the entry is its own. Returns whether that is to be written.
local function redate(ids, h, due)
  local grace, was = math.max(tonumber(h.id_until) - h.expire, 0), h.id_until
  h.expire = math.min(due + h.ttl, 999999999999999)  -- head() takes 15 digits
  if was == '0' or redis.call('HGET', ids, h.id) ~= was then return false end
  h.id_until = text(math.min(h.expire + grace, 999999999999999))
  return h.id_until ~= was
end
