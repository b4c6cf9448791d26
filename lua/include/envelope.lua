-- The one file of Lua that knows how an envelope begins (in C++: src/broker/data/envelope.cpp). Version mx1 is
--   mx1 <priority> <attempts> <recoveries> <max recoveries> <created> <ttl> <expire> <id until> <length of id>\n
--   <id>\n<rare: headers and history>\n<payload>
-- @include text
-- head(e): the fields before the payload; nil if e is no such envelope.
local function head(e)
  local p, a, r, m, c, t, x, u, n, at = string.match(e,
    '^mx1 ([hnl]) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)\n()')
  if not p then return nil end
  if #a > 9 or #r > 9 or #m > 9 or #c > 15 or #t > 15 or #x > 15 or #u > 15 or #n > 4 then return nil end
  local stop = at + tonumber(n)
  if string.sub(e, stop, stop) ~= '\n' then return nil end
  local rare = string.find(e, '\n', stop + 1, true)
  if not rare then return nil end
  return {priority = p, attempts = a, recoveries = tonumber(r), limit = tonumber(m), created = c,
          ttl = tonumber(t), expire = tonumber(x), id_until = u, id = string.sub(e, at, stop - 1),
          rare = string.sub(e, stop + 1, rare - 1), body = rare + 1}
end
-- rewrite(h, e): the envelope e with the fields of h before its payload, the payload byte for byte.
local function rewrite(h, e)
  return string.format('mx1 %s %s %d %d %s %s %s %s %d\n', h.priority, h.attempts, h.recoveries, h.limit,
    h.created, text(h.ttl), text(h.expire), h.id_until, #h.id) .. h.id .. '\n' .. h.rare .. '\n' .. string.sub(e, h.body)
end
-- home(e): the list in which an envelope waits: h, n or l by its priority, s (suspect) from its second recovery on.
-- What does not begin like an envelope waits among the normal ones; whoever claims it finds out.
local function home(e)
  local p, r = string.match(e, '^mx1 ([hnl]) %d+ (%d+) ')
  if not p then return 'n' end
  if #r > 1 or tonumber(r) >= 2 then return 's' end
  return p
end
-- may_have_id(e, id): false if e has not this id; quicker than head, which decides.
local function may_have_id(e, id)
  local n, at = string.match(e, '^mx1 [hnl] %d+ %d+ %d+ %d+ %d+ %d+ %d+ (%d+)\n()')
  return n and tonumber(n) == #id and string.sub(e, at, at + #id - 1) == id
end
