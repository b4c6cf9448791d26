-- Looking at messages: what the scripts that show some have in common.
-- @include envelope
-- wanted(at): what is told, and of which messages, from ARGV `at` on: most bytes of each payload; then '' (all), 'id',
-- 'payload', 'headers' or 'error'; then how many texts, and those: the id, or JSON as it is stored, one of which must be
-- there. Returns that, and the place behind it.
local function wanted(at)
  local n = tonumber(ARGV[at + 2])
  return {bytes = tonumber(ARGV[at]), kind = ARGV[at + 1], texts = {unpack(ARGV, at + 3, at + 2 + n)}}, at + 3 + n
end
local function has(s, texts)
  for i = 1, #texts do
    if string.find(s, texts[i], 1, true) then return true end
  end
  return false
end
-- error_in(past): the error with which a history begins, as JSON without its quotes; '' if it has none.
local function error_in(past)
  local i = string.sub(past, 1, 2) == '["' and 3
  while i do
    local j = string.find(past, '["\\]', i)
    if j and string.sub(past, j, j) == '"' then return string.sub(past, 3, j - 1) end
    i = j and j + 2
  end
  return ''
end
-- fits(w, e, line): whether the envelope e, of a dead letter behind `line`, is one that is wanted. An element that a
-- cancelled message left never is.
local function fits(w, e, line)
  if w.kind == '' then return e ~= '' end
  if w.kind == 'id' then return may_have_id(e, w.texts[1]) and head(e) ~= nil end
  if not has(e, w.texts) and not has(line, w.texts) then return false end
  local h = head(e)
  if w.kind == 'payload' then return has(string.sub(e, h and h.body or 1), w.texts) end
  if w.kind == 'headers' then return h ~= nil and has(string.match(h.rare, '^[^\t]*'), w.texts) end
  local past = string.match(line, '\t(.+)') or h and string.match(h.rare, '\t(.*)') or ''
  return has(error_in(past), w.texts)
end
-- shown(w, e): the envelope with so much of its payload as is wanted; of what is none, so many bytes.
local function shown(w, e)
  local h = head(e)
  return string.sub(e, 1, (h and h.body - 1 or 0) + w.bytes)
end
