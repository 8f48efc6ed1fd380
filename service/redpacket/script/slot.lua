-- Decides a help: the lowest free slot of the pot. A helper who is known gets his
-- slot again, also after the end.
-- KEYS[1] redpacket:{pot}:slots  HASH: n, e (ends, ms), x (no slot below is free),
--   <k> → helper, h<helper> → k|day|request
-- ARGV 1 helper, 2 day, 3 request, 4 now in ms
-- Returns MISSING, AGAIN|k|day|request, ENDED, FULL or OK|k. A repeat changes nothing.
local f = redis.call('HMGET', KEYS[1], 'n', 'e', 'x', 'h' .. ARGV[1])
if not f[1] then return 'MISSING' end
if f[4] then return 'AGAIN|' .. f[4] end
if tonumber(f[2]) <= tonumber(ARGV[4]) then return 'ENDED' end
local n, k = tonumber(f[1]), tonumber(f[3])
while k <= n and redis.call('HEXISTS', KEYS[1], tostring(k)) == 1 do k = k + 1 end
if k > n then
  redis.call('HSET', KEYS[1], 'x', k)
  return 'FULL'
end
redis.call('HSET', KEYS[1], tostring(k), ARGV[1], 'h' .. ARGV[1], k .. '|' .. ARGV[2] .. '|' .. ARGV[3], 'x', k + 1)
return 'OK|' .. k
