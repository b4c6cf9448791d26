-- answer: a consumer's answer to a question.
-- KEYS    1 consumers, 2 answers:<token>
-- ARGV    1 consumer, 2 its answer: 1 yes, 0 no, 3 ms for which it is kept
-- returns 1, or 0: it had answered already
-- cost    O(what was answered so far)
-- keeps   the first answer counts, however often it is asked and answers; all of them end by themselves
-- @include begin_writing
local said, name = redis.call('GET', KEYS[2]) or '', ' ' .. (string.match(ARGV[1], '^(.*)%.') or ARGV[1]) .. '='
if string.find(said, name, 1, true) then return 0 end
begin_writing(KEYS[1])
redis.call('SET', KEYS[2], said .. name .. ARGV[2], 'PX', ARGV[3])
return 1
