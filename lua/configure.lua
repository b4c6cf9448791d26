-- configure: changes what is set for a topic, and leaves the rest.
-- KEYS    1 settings, 2 idle
-- ARGV    1 the only version that may be changed (-1 = any), 2 1 if there is to be a new version though nothing changes,
--         then name and value of each field that is to be set: partitions, active, ids_active, paused_until;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, 'ok', the version, then name and value of each field, as they are now (see settings);
--         or now, 'other' and the same: there is another version; or now, 'refused', the field that is to become less
--         than it is, or more than it may be (ids_active <= active <= partitions <= 1024), and the same: nothing was
--         changed; or now, 'wrong', the name of the field that cannot be read
-- cost    O(fields), of which there are 64 at most
-- keeps   what is set already is not written again, and its version stays, so the same call may come twice; a change
--         has a version that there was never before, and the number before it never is one; it is one write; up to 32
--         that are idle are woken, so that they claim, and see the version
-- @include now
-- @include begin_writing
-- @include settings
-- @include wake
local has, names = settings_in(KEYS[1])
if not has then return {now, 'wrong', names} end
if ARGV[1] ~= '-1' and tonumber(ARGV[1]) ~= tonumber(has.version) then return tell_settings({now, 'other'}, has, names) end
local set = {}
for i = 3, #ARGV, 2 do set[ARGV[i]] = ARGV[i + 1] end
local changes, most = {}, 1024
for i = 1, 3 do
  local name = names[i]
  local n = tonumber(set[name] or has[name])
  if n < tonumber(has[name]) or n > most then return tell_settings({now, 'refused', name}, has, names) end
  if set[name] and n ~= tonumber(has[name]) then
    changes[#changes + 1] = name
    changes[#changes + 1] = text(n)
  end
  most = n
end
if set.paused_until and tonumber(set.paused_until) ~= tonumber(has.paused_until or 0) then
  if not has.paused_until then names[#names + 1] = 'paused_until' end
  changes[#changes + 1] = 'paused_until'
  changes[#changes + 1] = text(tonumber(set.paused_until))
end
if #changes == 0 and ARGV[2] ~= '1' then return tell_settings({now, 'ok'}, has, names) end
has.version = text(math.max(now, tonumber(has.version) + 2))
begin_writing(KEYS[2])
redis.call('HSET', KEYS[1], 'version', has.version, unpack(changes))
for i = 1, #changes, 2 do has[changes[i]] = changes[i + 1] end
wake(KEYS[2], 32, 0)
return tell_settings({now, 'ok'}, has, names)
