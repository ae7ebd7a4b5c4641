-- SPDX-License-Identifier: MIT
-- One session begins: its hash, its expiry, its place in the user's sorted set, and out with the oldest above the limit.
-- KEYS: the session, the user's set. ARGV: lifetime in s, limit, now in ms, id, then field and value in turn.
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[2])
if over > 0 then
    for _, old in ipairs(redis.call('ZPOPMIN', KEYS[2], over)) do
        redis.call('DEL', 'session:' .. old)
    end
end
return 1
