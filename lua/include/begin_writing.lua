-- begin_writing(key): must come before a script's first write, where Redis may be full. Past its memory limit a server
-- refuses a script's first write if it is a command that may add data, and with it all that the script would do; once
-- a script has written, it refuses none of its commands any more. So the first write is this one: it may only remove,
-- and removes a member that never is in the sorted set `key`. Only produce does without: it may be refused.
local function begin_writing(key) redis.call('ZREM', key, '') end
