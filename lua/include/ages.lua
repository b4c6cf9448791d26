-- first_due(list): the ms at which the first message of a list was first due; -1: there is none, or it cannot be read. Of
-- those that were cancelled it looks at 32.
local function first_due(list)
  local e, k = nil, 0
  repeat
    e = redis.call('LRANGE', list, k, k)[1]
    k = k + 1
  until e ~= '' or k == 32
  local h = e and head(e)
  return h and math.max(0, h.expire - h.ttl) or -1
end
-- next_due(delayed): the ms at which the first of the delayed ones is due; -1: there is none.
local function next_due(delayed)
  local row = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  return row[2] and tonumber(row[2]) or -1
end
