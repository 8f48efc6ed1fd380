-- Gives a number of the day back, if this pot still holds it.
-- KEYS[1] redpacket:{helper}:day:game:day   ARGV 1 pot, 2 nth
-- Returns 1 when it was given back.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
