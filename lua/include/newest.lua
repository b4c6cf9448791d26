-- newest(tags): tags '<claim>.<index>' in order, the newest first; what is no tag counts as the oldest.
local function newest(tags)
  local rows = {}
  for i = 1, #tags do
    local c, k = string.match(tags[i], '^(%d+)%.(%d+)$')
    rows[i] = {tonumber(c or 0), tonumber(k or 0), tags[i]}
  end
  table.sort(rows, function(x, y)
    if x[1] ~= y[1] then return x[1] > y[1] end
    if x[2] ~= y[2] then return x[2] > y[2] end
    return x[3] > y[3]
  end)
  return rows
end
