-- Drops the token that WeChat refused, if it is still the current one and was not
-- renewed by force a moment ago.
-- KEYS[1] wechat:{appid}:token  HASH value, expires, renew, bad    KEYS[2] wechat:{appid}:forced  STRING, lives 30 s
-- ARGV[1] the refused token
-- Returns 1 when dropped, 0 when another token is current already, -1 when it was
-- just renewed by force; a repeat returns 0.
local current = redis.call('HGET', KEYS[1], 'value')
if current ~= ARGV[1] then
	return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
	return -1
end
redis.call('HDEL', KEYS[1], 'value', 'expires', 'renew')
redis.call('HSET', KEYS[1], 'bad', ARGV[1])
return 1
