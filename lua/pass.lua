-- pass: wakes others, for a consumer that was woken and cannot claim now.
-- KEYS    1 idle
-- ARGV    1 consumer, 2 hops: how often this wake-up was passed on, this time included;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns how many were told: at most 2^hops, and 32
-- cost    O(log idle, for each one told)
-- keeps   whoever was woken claims, or leaves it to others; one that nobody listens to is passed over, and removed
-- @include now
-- @include begin_writing
-- @include wake
begin_writing(KEYS[1])
local told, gone = tell(KEYS[1], math.min(2 ^ math.min(tonumber(ARGV[2]), 5), 32), ARGV[2], alias(ARGV[1]))
note(KEYS[1], told, gone)
return #told / 2
