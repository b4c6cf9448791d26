-- raise_ids: has ids and keys go by more partitions, or stops those that still go by fewer.
-- KEYS    1 settings, 2 idle, then, if the topic must be one that nobody has used: the four ready lists, delayed, dlq,
--         consumers, ids
-- ARGV    1 the version that the settings must have, 2 the partitions by which ids and keys go from now on, 3 the
--         partitions that are produced to from now on (0 = as before);
--         or 2 = 0, at a partition that is not the first one: no id and no key of that version is taken any more;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now and 'done'; or now, 'used': an id or a key that was produced by this version or before it may be in work
--         until later, or the topic has been used; or now, 'other': the settings have another version. Then nothing was
--         changed
-- cost    O(1)
-- keeps   what counts is one write to the settings of the first partition, which have a new version then. A partition
--         that takes no ids any more has the version behind the one named, which the topic's settings never have: any
--         change of those opens it again, and makes a call for the version from before change nothing
-- @include now
-- @include begin_writing
-- @include version
-- @include wake
local is, from = version_of(redis.call('HGET', KEYS[1], 'version')), tonumber(ARGV[1])
if ARGV[2] == '0' and is == from + 1 then return {now, 'done'} end
if is ~= from then return {now, 'other'} end
local before = redis.call('HGET', KEYS[1], 'ids_until')
if before and (tonumber(before) or now + 1) > now then return {now, 'used'} end
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return {now, 'used'} end
end
begin_writing(KEYS[2])
if ARGV[2] == '0' then
  redis.call('HSET', KEYS[1], 'version', text(from + 1))
  return {now, 'done'}
end
local changes = {'version', text(math.max(now, from + 2)), 'ids_active', ARGV[2]}
if ARGV[3] ~= '0' then
  changes[5], changes[6] = 'active', ARGV[3]
end
redis.call('HSET', KEYS[1], unpack(changes))
wake(KEYS[2], 32, 0)
return {now, 'done'}
