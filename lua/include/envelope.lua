-- head(e): the fields of an envelope before its payload; nil if e is no envelope of version mx1. An envelope is
--   mx1 <priority> <attempts> <recoveries> <max recoveries> <created> <ttl> <expire> <until> <length of id>\n
--   <id>\n<rare: headers and history>\n<payload>
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
          ttl = tonumber(t), expire = tonumber(x), stamp = u, id = string.sub(e, at, stop - 1),
          rare = string.sub(e, stop + 1, rare - 1), body = rare + 1}
end
