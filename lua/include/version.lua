-- version_of(v): the version of settings as it is stored, as a number: 0 if none is, -1 if it is none.
local function version_of(v)
  if not v then return 0 end
  return #v <= 15 and string.match(v, '^%d+$') and tonumber(v) or -1
end
