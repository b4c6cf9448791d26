-- home(e): the list an envelope waits in: h, n, l by priority, s (suspect) from its second recovery on. What does not
-- begin like an envelope waits among the normal ones, where its claimer finds out.
local function home(e)
  local p, r = string.match(e, '^mx1 ([hnl]) %d+ (%d+) ')
  if not p then return 'n' end
  if #r > 1 or tonumber(r) >= 2 then return 's' end
  return p
end
