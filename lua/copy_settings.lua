-- copy_settings: makes the settings of a partition a copy of its topic's.
-- KEYS    1 settings, 2 idle
-- ARGV    1 the version that is copied, then name and value of each of its fields (64 at most);
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now and the version that is there now: the one that was copied, or a later one
-- cost    O(fields)
-- keeps   an earlier version never replaces a later one, and the same one is written once; the version goes last, so a
--         copy that was left half done is made again; ids_until is the partition's own, and stays; up to 32 that are idle
--         are woken, so that they see it
-- @include now
-- @include begin_writing
-- @include remove
-- @include version
-- @include wake
local is = version_of(redis.call('HGET', KEYS[1], 'version'))
if is >= tonumber(ARGV[1]) then return {now, is} end
local stays, gone = {version = true, ids_until = true}, {}
for i = 2, #ARGV, 2 do stays[ARGV[i]] = true end
local there = redis.call('HKEYS', KEYS[1])
for i = 1, #there do
  if not stays[there[i]] then gone[#gone + 1] = there[i] end
end
begin_writing(KEYS[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 2, #ARGV))
remove('HDEL', KEYS[1], gone)  -- never the last field
redis.call('HSET', KEYS[1], 'version', ARGV[1])
wake(KEYS[2], 32, 0)
return {now, tonumber(ARGV[1])}
