-- requeue_all: one bounded step of making ready again all dead letters that were there when the first step began.
-- KEYS    as requeue
-- ARGV    1 only what died by this ms (first step: 0 = by now; further ones: the now that the first returned),
--         2 how many unreadable ones to skip: those that earlier steps have met, 3 most messages, 4 most bytes (one
--         message is always allowed)
-- returns now, requeued, unreadable ones met in this step, more may be left (0/1)
-- cost    O(messages * log dlq)
-- keeps   as requeue, one message after the other, the oldest dead letter first
-- @include now
-- @include begin_writing
-- @include envelope
-- @include unbury
-- @include revive
local before = tonumber(ARGV[1])
if before == 0 then before = now end
local most, left = tonumber(ARGV[3]), tonumber(ARGV[4])
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(before), 'LIMIT', ARGV[2], most)
if #members == 0 then return {now, 0, 0, 0} end
begin_writing(KEYS[6])
local done, passed = 0, 0
for i = 1, #members do
  if left < 0 then return {now, done, passed, 1} end
  local v = redis.call('HGET', KEYS[2], members[i])
  if v and revive(members[i], v) then done = done + 1 else passed = passed + 1 end
  if v then left = left - #v end
end
return {now, done, passed, #members == most and 1 or 0}
