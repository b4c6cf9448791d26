-- Settings: the hash `settings` of a topic. `version` grows with each change; the other fields are what is set.
-- @include text
-- whole(v, least, most): v as a number, if it is a whole one from least to most; else nil.
local function whole(v, least, most)
  local n = v and #v <= 15 and string.match(v, '^%d+$') and tonumber(v)
  if n and n >= least and n <= most then return n end
  return nil
end
-- settings_in(key): the fields, and their names in order; the ones that are always told get their defaults. Or nil and the
-- name of the field that cannot be read.
local function settings_in(key)
  if redis.call('HLEN', key) > 64 then return nil, 'number of fields' end
  local row = redis.call('HGETALL', key)
  local has, names = {}, {'partitions', 'active', 'ids_active'}
  for i = 1, #names do has[names[i]] = '1' end
  has.version = '0'
  for i = 1, #row, 2 do
    if not has[row[i]] and row[i] ~= 'version' then names[#names + 1] = row[i] end
    has[row[i]] = row[i + 1]
  end
  if not whole(has.version, 0, 999999999999999) then return nil, 'version' end
  local most = 1024
  for i = 1, 3 do
    most = whole(has[names[i]], 1, most)
    if not most then return nil, names[i] end
  end
  if has.paused_until and not whole(has.paused_until, 0, 999999999999999) then return nil, 'paused_until' end
  return has, names
end
-- tell_settings(out, has, names): adds the version, then name and value of each field.
local function tell_settings(out, has, names)
  out[#out + 1] = tonumber(has.version)
  for i = 1, #names do
    out[#out + 1] = names[i]
    out[#out + 1] = has[names[i]]
  end
  return out
end
