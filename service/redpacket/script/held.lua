-- Lists what a pot has handed out, or the one slot of a helper.
-- KEYS[1] redpacket:{pot}:slots   ARGV 1 helper, or nothing for all
-- Returns helper|k|day|request …
local out = {}
if ARGV[1] then
  local v = redis.call('HGET', KEYS[1], 'h' .. ARGV[1])
  if v then out[1] = ARGV[1] .. '|' .. v end
  return out
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 1) == 'h' then out[#out + 1] = string.sub(all[i], 2) .. '|' .. all[i + 1] end
end
return out
