-- Replaces a helper's day by what SQL holds.
-- KEYS[1] redpacket:{helper}:day:game:day   ARGV pot, nth, pot, nth …
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if #ARGV > 0 then redis.call('EXPIRE', KEYS[1], 172800) end
return 1
