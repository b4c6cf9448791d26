-- Waking. Who waits for work is in the sorted set `idle`, under its name without the incarnation (alias); its score is
-- the ms since which it is idle, or minus the ms at which it was told and has not claimed since. Each listens to the
-- channel that is called like the key, with to:<alias> for idle. The last argument of a script that wakes is taken off
-- ARGV: the command that reaches them, PUBLISH or SPUBLISH.
-- @include text
local publish = ARGV[#ARGV]
ARGV[#ARGV] = nil
-- alias(consumer): its name without the incarnation.
local function alias(consumer) return string.match(consumer, '^(.*)%.') or consumer end
-- channels(idle): what all their channels begin with.
local function channels(idle) return string.sub(idle, 1, -5) .. 'to:' end
-- tell(idle, n, hops, but): tells up to n of those that are idle that there is work, who is so for longest first, but
-- not `but`; looks at 32. Writes nothing. Returns score and alias of each that heard, the aliases that nobody listens to,
-- and 1 if publishing is refused, else 0.
local function tell(idle, n, hops, but)
  local channel, told, gone, from, ask = channels(idle), {}, {}, 0, 2
  repeat
    local who = redis.call('ZRANGEBYSCORE', idle, '(0', '+inf', 'LIMIT', from, ask)
    for i = 1, #who do
      if who[i] ~= but then
        local heard = redis.pcall(publish, channel .. who[i], 'w' .. hops)
        if type(heard) == 'table' then return told, gone, 1 end
        if heard == 0 then
          gone[#gone + 1] = who[i]
        else
          told[#told + 1] = text(-now)
          told[#told + 1] = who[i]
          if #told >= 2 * n then return told, gone, 0 end
        end
      end
    end
    if #who < ask then break end
    from, ask = from + ask, 32 - from - ask
  until ask <= 0
  return told, gone, 0
end
-- note(idle, told, gone): notes what tell has found. A script does not name the key afterwards.
local function note(idle, told, gone)
  if #told > 0 then redis.call('ZADD', idle, unpack(told)) end
  if #gone > 0 then redis.call('ZREM', idle, unpack(gone)) end
end
-- wake(idle, n, hops, but, goes): tells n, and notes it; `goes`, if it is not nil, leaves the set. Returns 1 if
-- publishing is refused, else 0.
local function wake(idle, n, hops, but, goes)
  local told, gone, mute = tell(idle, n, hops, but)
  if goes then gone[#gone + 1] = goes end
  note(idle, told, gone)
  return mute
end
-- quiet(idle): whether nobody is in the set, or somebody was told less than 20 ms ago, who may be on the way.
local function quiet(idle)
  local first = redis.call('ZRANGE', idle, 0, 0, 'WITHSCORES')
  return not first[1] or tonumber(first[2]) < 20 - now
end
-- wake_again(idle): as wake, for work that was there before: one may have been told of it, or not.
local function wake_again(idle)
  if quiet(idle) then return 0 end
  return wake(idle, 1, 0)
end
