-- Why messages become dead letters. The counters are made of these words only, whatever a client writes into a line.
local reasons = {'retries', 'rejected', 'expired', 'decode', 'poison', 'interrupted', 'other'}
-- reason_of(line): the reason that a dead letter's line begins with.
local function reason_of(line)
  local reason = string.match(line, '^(%l+)\t')
  for i = 1, #reasons do
    if reasons[i] == reason then return reason end
  end
  return 'other'
end
-- count_dead(stats, by): counts messages that became dead letters, by[reason] of each: all in `dead`, and in
-- dead:<reason>.
local function count_dead(stats, by)
  local all = 0
  for i = 1, #reasons do all = all + (by[reasons[i]] or 0) end
  if all > 0 then redis.call('HINCRBY', stats, 'dead', all) end
  for i = 1, #reasons do
    if (by[reasons[i]] or 0) > 0 then redis.call('HINCRBY', stats, 'dead:' .. reasons[i], by[reasons[i]]) end
  end
end
