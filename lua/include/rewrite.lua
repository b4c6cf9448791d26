-- rewrite(h, e): the envelope e with the fields of h before its payload, the payload byte for byte.
local function rewrite(h, e)
  return string.format('mx1 %s %s %d %d %s %s %s %s %d\n', h.priority, h.attempts, h.recoveries, h.limit,
    h.created, text(h.ttl), text(h.expire), h.stamp, #h.id) .. h.id .. '\n' .. h.rare .. '\n' .. string.sub(e, h.body)
end
