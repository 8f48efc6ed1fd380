-- Gives the lock back, if it is still the owner's.
-- KEYS[1] wechat:{appid}:lock  STRING owner    ARGV[1] owner
-- Returns 1 when released, 0 when it was not the owner's; a repeat returns 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
	return redis.call('DEL', KEYS[1])
end
return 0
