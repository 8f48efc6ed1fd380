-- The record of one message: 'r' .. token while a process runs its logic under a
-- lease, 'a' .. answer afterwards.
--
-- KEYS[1] inbox:{message key}
-- ARGV[1] token   ARGV[2] milliseconds the record lives   ARGV[3] answer, or '' to run
-- Returns '' when the record is the caller's now, and the standing record otherwise.
-- A repeat with the same token gets the same and renews the lease; a record that
-- Redis lost is made anew. The first answer stands.
local mine = 'r' .. ARGV[1]
local record = redis.call('GET', KEYS[1])
if record and record ~= mine then
  return record
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], mine, 'PX', ARGV[2])
else
  redis.call('SET', KEYS[1], 'a' .. ARGV[3], 'PX', ARGV[2])
end
return ''
