-- inner(v): the envelope behind a dead letter's line.
local function inner(v)
  local at = string.find(v, '\n', 1, true)
  return at and string.sub(v, at + 1) or ''
end
-- spent(ids, free, e): adds the chosen id of a dead letter that goes to free, unless another message has it by now.
local function spent(ids, free, e)
  local h = head(e)
  if h and h.id_until ~= '0' and redis.call('HGET', ids, h.id) == '0' then free[#free + 1] = h.id end
end
