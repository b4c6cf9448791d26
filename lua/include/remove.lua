-- remove(command, key, names): removes names from a key, 1,000 a call. A script calls it once for each key, and does
-- not name the key afterwards: one that is empty now must not be named again while its slot moves to another node.
local function remove(command, key, names)
  for i = 1, #names, 1000 do redis.call(command, key, unpack(names, i, math.min(i + 999, #names))) end
end
