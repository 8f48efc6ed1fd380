-- Gives a slot back that was handed out and cannot be written.
-- KEYS[1] redpacket:{pot}:slots   ARGV 1 helper, 2 k
-- Returns 1 when it was given back, 0 when the helper does not hold it.
local v = redis.call('HGET', KEYS[1], 'h' .. ARGV[1])
if not v or string.match(v, '^(%d+)|') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'h' .. ARGV[1], ARGV[2])
if tonumber(redis.call('HGET', KEYS[1], 'x') or '1') > tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'x', ARGV[2])
end
return 1
