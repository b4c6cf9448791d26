-- ack: removes messages that a consumer is done with: handled, or given up without a dead letter.
-- KEYS    1 processing:<consumer>, 2 consumers, 3 stats, and, if any id was chosen, 4 ids
-- ARGV    1 consumer, 2 counter (completed | discarded), 3 second counter or '' (expired), 4 how many with a chosen id,
--         then tag, id, id until for each of those, then the other tags
-- returns how many were still there (a missing one was settled by an earlier copy of this call)
--         or -1, lost: the consumer is not registered or is being reaped; no message is touched
-- cost    O(tags)
-- keeps   an id is freed only with its own message, and before it
-- @include begin_writing
-- @include remove
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
local chosen = tonumber(ARGV[4])
begin_writing(KEYS[2])
if not score or tonumber(score) <= 0 then
  redis.call('HINCRBY', KEYS[3], 'lease_lost', #ARGV - 4 - 2 * chosen)
  return -1
end
local tags, free = {}, {}
for i = 5, 4 + 3 * chosen, 3 do
  local tag, id = ARGV[i], ARGV[i + 1]
  tags[#tags + 1] = tag
  if redis.call('HEXISTS', KEYS[1], tag) == 1 and redis.call('HGET', KEYS[4], id) == ARGV[i + 2] then
    free[#free + 1] = id
  end
end
remove('HDEL', KEYS[4], free)
for i = 5 + 3 * chosen, #ARGV do tags[#tags + 1] = ARGV[i] end
local n = 0
for i = 1, #tags, 1000 do n = n + redis.call('HDEL', KEYS[1], unpack(tags, i, math.min(i + 999, #tags))) end
if n > 0 then
  redis.call('HINCRBY', KEYS[3], ARGV[2], n)
  if ARGV[3] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[3], n) end
end
return n
