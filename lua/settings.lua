-- settings: what is set for a topic. Reads only.
-- KEYS    1 settings
-- ARGV    none
-- returns now, 'ok', the version (0 = nothing was ever set), then name and value of each field; partitions, active and
--         ids_active are always among them;
--         or now, 'wrong', the name of the field that cannot be read
-- cost    O(fields), of which there are 64 at most
-- keeps   writes nothing
-- @include now
-- @include settings
local has, names = settings_in(KEYS[1])
if not has then return {now, 'wrong', names} end
return tell_settings({now, 'ok'}, has, names)
