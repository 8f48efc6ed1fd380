-- Merges standing rows into a pot and decides a help on it, in one step. The functions
-- merge and slot are those scripts, which stand before this one.
-- KEYS[1] redpacket:{pot}:slots   ARGV 1 to 4 as slot.lua, the others as merge.lua
-- Returns what slot.lua does.
local rows = {}
for i = 5, #ARGV do rows[i - 4] = ARGV[i] end
merge(KEYS, rows)
return slot(KEYS, ARGV)
