-- Stores a fetched token, but only for the one who still owns the lock.
-- KEYS[1] wechat:{appid}:token  HASH value, expires (ms), renew (ms), bad    KEYS[2] wechat:{appid}:lock  STRING owner
-- ARGV[1] owner   ARGV[2] token   ARGV[3] expires, ARGV[4] renew (ms since 1970)   ARGV[5] life of the key in ms
-- Returns 1 when stored, 0 when the lock was lost; a repeat stores the same again.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
	return 0
end
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'expires', ARGV[3], 'renew', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
