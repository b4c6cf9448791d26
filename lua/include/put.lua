-- put(index, data, member, score, v): stores v and its index entry under member or, if another message has that name,
-- under member~<number>, and returns the name. It never overwrites a message: data without an index entry is what an
-- interrupted script left of one that is elsewhere (data is written before its index entry and removed after it).
local function put(index, data, member, score, v)
  if redis.call('HSETNX', data, member, v) == 0 then
    if redis.call('ZSCORE', index, member) then
      local k, name = redis.call('HLEN', data), member
      repeat
        member = name .. '~' .. text(k)
        k = k + 1
      until redis.call('HSETNX', data, member, v) == 1
    else
      redis.call('HSET', data, member, v)
    end
  end
  redis.call('ZADD', index, score, member)
  return member
end
