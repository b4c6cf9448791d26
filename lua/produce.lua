-- produce: applies one numbered batch of one producer, once.
-- KEYS    1 producer, 2 idle, 3 stats, then the ready lists used (ARGV 3 of them),
--         then, if ARGV 4 is 1, delayed and delayed:data, then, if ARGV 5 is 1, ids,
--         then, if the settings are to be looked at, settings
-- ARGV    1 number of the batch, 2 ms for which that number is kept, 3 lists used, 4 delayed? 5 chosen ids?
--         then for each list used the count of plain envelopes, then those envelopes list by list,
--         then five for each other message, in their order: place (0 = delayed, else which of the lists used),
--         due ms, id, id until ms (0 = generated id), envelope;
--         with settings in KEYS: the version that they must have (-1 = any; 0 = nothing may be set) and, behind a space,
--         the ms until which an id or a key of this batch may be in work (if it is to be noted);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', nobody can be woken as publishing is refused (0/1), with settings in KEYS 'settings' and their version
--         (0 = nothing is set, -1 = it cannot be read), and the place in the last group (from 1) of each duplicate: its
--         chosen id was still in use;
--         or now, 'again', and the same, if this batch, or a later one, was applied already: no message is stored. If it
--         was this one, the places that were told then follow;
--         or now, 'stale', 0, 'settings' and their version, which is another one: nothing was changed, and the number of
--         the batch is not used up
-- cost    O(messages), and O(log delayed) for each delayed one; the first write is one that a full Redis refuses
-- keeps   the number is stored after the messages, so an error in between can repeat but not lose them; it is stored
--         with the places of the duplicates, and also if all were duplicates, so that a late copy does not find their
--         ids free by then; an id's entry is written after its message; until when ids and keys are in work is noted
--         before them;
--         a list that was empty, or a message that is now the first of the delayed ones, wakes an idle consumer; so
--         does what comes to others, or comes again, unless one was told less than 20 ms ago
-- @include now
-- @include begin_writing
-- @include wake
-- @include put
-- @include version
local lists = tonumber(ARGV[3])
local spot = 4 + lists
local delayed, data, ids
if ARGV[4] == '1' then delayed, data = KEYS[spot], KEYS[spot + 1] spot = spot + 2 end
if ARGV[5] == '1' then ids = KEYS[spot] spot = spot + 1 end
local out = {now, 'ok', 0}
local must, till, noted = -1, 0, nil
if KEYS[spot] then
  local version, ids_until = string.match(ARGV[#ARGV], '^(%-?%d+) ?(%d*)$')
  must, till = tonumber(version), tonumber(ids_until) or 0
  ARGV[#ARGV] = nil
  local set = redis.call('HMGET', KEYS[spot], 'version', 'ids_until')
  out[4], out[5], noted = 'settings', version_of(set[1]), set[2]
end
local head_of_reply = #out
local last = redis.call('GET', KEYS[1])
local number = last and tonumber(string.match(last, '^%d+'))
if number and number >= tonumber(ARGV[1]) then
  begin_writing(KEYS[2])
  out[2], out[3] = 'again', wake_again(KEYS[2])
  if number == tonumber(ARGV[1]) then
    for place in string.gmatch(last, ' (%d+)') do out[#out + 1] = tonumber(place) end
  end
  return out
end
if must >= 0 and out[5] ~= must then
  begin_writing(KEYS[2])
  out[2] = 'stale'
  return out
end
if till > 0 and (tonumber(noted) or 0) < till then redis.call('HSET', KEYS[spot], 'ids_until', text(till)) end
local at, added, first = 6 + lists, 0, false
for i = 1, lists do
  local n = tonumber(ARGV[5 + i])
  local done = 0
  while done < n do
    local step = math.min(1000, n - done)
    local length = redis.call('RPUSH', KEYS[3 + i], unpack(ARGV, at + done, at + done + step - 1))
    if length == step then first = true end
    done = done + step
  end
  at = at + n
  added = added + n
end
local same, mine, k = 0, {}, 0
for i = at, #ARGV, 5 do
  k = k + 1
  local place, due, id, id_until, e = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local used = id_until ~= '0' and redis.call('HGET', ids, id)
  if used and (used == '0' or tonumber(used) > now) then
    same = same + 1
    out[#out + 1] = k
  else
    if place == 0 then
      mine[put(delayed, data, id, due, e)] = true
    elseif redis.call('RPUSH', KEYS[3 + place], e) == 1 then
      first = true
    end
    if id_until ~= '0' then redis.call('HSET', ids, id, id_until) end
    added = added + 1
  end
end
if added > 0 then redis.call('HINCRBY', KEYS[3], 'produced', added) end
if same > 0 then redis.call('HINCRBY', KEYS[3], 'duplicates', same) end
if added + same > 0 then
  local applied = ARGV[1]
  if same > 0 then applied = applied .. ' ' .. table.concat(out, ' ', head_of_reply + 1) end
  redis.call('SET', KEYS[1], applied, 'PX', ARGV[2])
end
if next(mine) and mine[redis.call('ZRANGE', delayed, 0, 0)[1]] then first = true end
if first then
  out[3] = wake(KEYS[2], 1, 0)
elseif added > 0 then
  out[3] = wake_again(KEYS[2])
end
return out
