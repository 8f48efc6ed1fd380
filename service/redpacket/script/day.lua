-- Takes the lowest free number of the helper's day for this pot. A repeat finds its
-- own number, so nothing leaks; a missing day is an empty one, and the unique key in
-- SQL corrects what that gets wrong.
-- KEYS[1] redpacket:{helper}:day:game:day  HASH of pot → nth
-- ARGV 1 pot, 2 the limit
-- Returns the number, 0 when the day seems full.
local held = redis.call('HGETALL', KEYS[1])
local taken = {}
for i = 1, #held, 2 do
  if held[i] == ARGV[1] then return tonumber(held[i + 1]) end
  taken[held[i + 1]] = true
end
if #held / 2 >= tonumber(ARGV[2]) then return 0 end -- numbers may lie above the limit of who was two
for nth = 1, tonumber(ARGV[2]) do
  if not taken[tostring(nth)] then
    redis.call('HSET', KEYS[1], ARGV[1], nth)
    if #held == 0 then redis.call('EXPIRE', KEYS[1], 172800) end
    return nth
  end
end
return 0
