-- after(ms): the time by which that span is surely over, as text. What the server shows is cut down to a whole ms, so now
-- may be one ms ago.
-- @include text
local function after(ms) return text(now + 1 + ms) end
