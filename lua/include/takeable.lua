-- takeable(high, normal, low, delayed): whether a claim would find anything.
local function takeable(high, normal, low, delayed)
  if redis.call('EXISTS', high) + redis.call('EXISTS', normal) + redis.call('EXISTS', low) > 0 then return true end
  local due = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  return due[1] and tonumber(due[2]) <= now
end
