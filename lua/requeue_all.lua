-- requeue_all: one bounded step of making ready again all dead letters that were there when the first step began.
-- KEYS    as requeue
-- ARGV    1 only what died by this ms (first step: 0 = by now; further ones: the now that the first returned),
--         2 how many unreadable ones to skip: those that earlier steps have met, 3 most messages, 4 most bytes (one
--         message is always allowed); last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, requeued, unreadable ones met in this step, more may be left (0/1)
-- cost    O(messages * log dlq)
-- keeps   as requeue, one message after the other, the oldest dead letter first
-- @include now
-- @include begin_writing
-- @include envelope
-- @include wake
-- @include unbury
-- @include revive
local before = tonumber(ARGV[1])
if before == 0 then before = now end
local most, left = tonumber(ARGV[3]), tonumber(ARGV[4])
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(before), 'LIMIT', ARGV[2], most)
if #members == 0 then return {now, 0, 0, 0} end
begin_writing(KEYS[6])
local done, passed, some, more = 0, 0, false, #members == most
for i = 1, #members do
  if left < 0 then
    more = true
    break
  end
  local v = redis.call('HGET', KEYS[2], members[i])
  local revived, first = false, false
  if v then
    revived, first = revive(members[i], v)
    left = left - #v
  end
  if revived then done = done + 1 else passed = passed + 1 end
  some = some or first
end
if some then
  wake(KEYS[6], 1, 0)
elseif done > 0 then
  wake_again(KEYS[6])
end
return {now, done, passed, more and 1 or 0}
