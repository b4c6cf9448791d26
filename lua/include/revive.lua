-- revive(member, v): makes the dead letter v ready again, as new: attempts, recoveries, history and expiry begin anew,
-- and the new history says when that was. Returns false if v is no envelope, else true and whether its list was empty.
-- Needs KEYS 1 dlq, 2 dlq:data, 3 ready:high, 4
-- ready:normal, 5 ready:low, 6 idle, 7 stats, 8 ids.
-- @include after
local function revive(member, v)
  local e = inner(v)
  local h = head(e)
  if not h then return false end
  local grace = tonumber(h.id_until) - h.expire
  h.attempts, h.recoveries, h.expire = '0', 0, math.min(tonumber(after(h.ttl)), 999999999999999)  -- 15 digits, for head()
  h.rare = string.match(h.rare, '^[^\t]*') .. '\t[null,[],{"requeued":' .. text(now) .. '}]'
  if h.id_until ~= '0' then
    local used = redis.call('HGET', KEYS[8], h.id)
    if used and used ~= '0' and tonumber(used) > now then
      h.id_until = '0'  -- another message has the id by now: this one goes on as if its id had been generated
    else
      h.id_until = text(math.min(h.expire + math.max(grace, 0), 999999999999999))
    end
  end
  local list = h.priority == 'h' and KEYS[3] or h.priority == 'l' and KEYS[5] or KEYS[4]
  local first = redis.call('RPUSH', list, rewrite(h, e)) == 1
  if h.id_until ~= '0' then redis.call('HSET', KEYS[8], h.id, h.id_until) end
  redis.call('HINCRBY', KEYS[7], 'requeued', 1)
  redis.call('ZREM', KEYS[1], member)
  redis.call('HDEL', KEYS[2], member)
  return true, first
end
