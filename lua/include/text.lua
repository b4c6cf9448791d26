-- text(x): a whole number with every digit (tostring keeps 14).
local function text(x) return string.format('%.0f', x) end
