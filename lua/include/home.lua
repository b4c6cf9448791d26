-- home(e): the list in which an envelope waits: h, n or l by its priority, s (suspect) from its second recovery on.
-- What does not begin like an envelope waits among the normal ones; whoever claims it finds out.
local function home(e)
  local p, r = string.match(e, '^mx1 ([hnl]) %d+ (%d+) ')
  if not p then return 'n' end
  if #r > 1 or tonumber(r) >= 2 then return 's' end
  return p
end
