-- Merges standing rows into a pot. Rows never change, so a read of them, however
-- old, may be merged at any time; what a row contradicts gives way.
-- KEYS[1] redpacket:{pot}:slots
-- ARGV 1 n, 2 ends in ms, 3 life of the key in ms, then k, helper, day|request … by k
local p = KEYS[1]
if redis.call('EXISTS', p) == 0 then
  -- Nothing can be contradicted, so all is written at once. The rows come by k.
  local low, put = 1, {'n', ARGV[1], 'e', ARGV[2], 'x', 1}
  for i = 4, #ARGV, 3 do
    local k, h = ARGV[i], ARGV[i + 1]
    if tonumber(k) == low then low = low + 1 end
    local m = #put
    put[m + 1], put[m + 2], put[m + 3], put[m + 4] = k, h, 'h' .. h, k .. '|' .. ARGV[i + 2]
    if m > 2000 then -- Lua's stack bounds the arguments of one call
      redis.call('HSET', p, unpack(put))
      put = {}
    end
  end
  put[#put + 1], put[#put + 2] = 'x', low
  redis.call('HSET', p, unpack(put))
  redis.call('PEXPIRE', p, ARGV[3])
  return 1
end
local low = tonumber(redis.call('HGET', p, 'x') or '1')
local before = low
for i = 4, #ARGV, 3 do
  local k, h = ARGV[i], ARGV[i + 1]
  local there, mine = redis.call('HGET', p, k), redis.call('HGET', p, 'h' .. h)
  if there ~= h then
    if there then
      local other = redis.call('HGET', p, 'h' .. there)
      if other and string.match(other, '^(%d+)|') == k then redis.call('HDEL', p, 'h' .. there) end
    end
    redis.call('HSET', p, k, h)
  end
  if mine then
    local was = string.match(mine, '^(%d+)|')
    if was and was ~= k and redis.call('HGET', p, was) == h then
      redis.call('HDEL', p, was)
      if tonumber(was) < low then low = tonumber(was) end
    end
  end
  redis.call('HSET', p, 'h' .. h, k .. '|' .. ARGV[i + 2])
end
if low ~= before then redis.call('HSET', p, 'x', low) end
return 1
