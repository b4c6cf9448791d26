-- A topic is paused up to the ms in the field `paused_until` of its settings; `forever`: until it is resumed.
-- @include text
local forever = 999999999999999
-- paused_until(v): that field as it is stored, as a number; 0 if it is missing or none: then nothing is held up.
local function paused_until(v) return v and #v <= 15 and string.match(v, '^%d+$') and tonumber(v) or 0 end
