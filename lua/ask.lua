-- ask: puts a question to the consumers of a topic, over their channels, and looks who has answered it.
-- KEYS    1 consumers, 2 answers:<token>
-- ARGV    1 the question: 'q <token> ' and what is asked, 2 how many consumers to pass over, 3 most looked at;
--         last: the command that publishes, PUBLISH or SPUBLISH
-- returns now, consumers looked at, those that answered yes, those that answered no, those that nobody listens for, nobody
--         can be asked as publishing is refused (0/1)
-- cost    O(consumers looked at, and for each of them what was answered)
-- keeps   writes nothing, so it may be repeated, and then asks again whoever has not answered; one that is being reaped
--         is not asked, as it begins nothing; one whose lease ran out is: it may renew it
-- @include now
-- @include wake
local who = redis.call('ZRANGEBYSCORE', KEYS[1], '(0', '+inf', 'LIMIT', ARGV[2], ARGV[3])
local said, channel = redis.call('GET', KEYS[2]) or '', string.sub(KEYS[1], 1, -10) .. 'to:'
local yes, no, deaf, mute = 0, 0, 0, 0
for i = 1, #who do
  local name = alias(who[i])
  if string.find(said, ' ' .. name .. '=1', 1, true) then
    yes = yes + 1
  elseif string.find(said, ' ' .. name .. '=0', 1, true) then
    no = no + 1
  elseif mute == 0 then
    local heard = redis.pcall(publish, channel .. name, ARGV[1])
    if type(heard) == 'table' then mute = 1 elseif heard == 0 then deaf = deaf + 1 end
  end
end
return {now, #who, yes, no, deaf, mute}
