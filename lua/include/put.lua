-- put(index, data, member, score, v): stores v and its index entry under the name `member` and returns the name. If
-- another message has that name, it is member~<number>: no message is ever overwritten. (Data without an index entry is
-- no message: data is written before its index entry and removed after it, so a script that failed in between left it,
-- and its message is elsewhere.)
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
