/* scripts.h: what Redis does with slots in one step, in Lua. Private to shared_slots.c.
 *
 * Three keys a limiter: the gateways' leases (a sorted set, until when, by the server's clock), how many
 * slots each holds (a hash), and those that wait for more (a sorted set, since when). One lease a gateway and
 * not one a slot: thousands of slots cost no more than one, and a place in the queue ends with the same
 * lease. None of the keys has a time to live, so nothing evicts them but allkeys-*; whoever comes removes
 * what has lapsed, and what is empty is not there: nothing grows. */
#pragma once

/* KEYS: leases, counts, waiting. ARGV: gateway, slots it holds, wants more, there are, lease ms, channel, the
 * limiter's name. Taking, giving back and prolonging are the same: the gateway says what it holds now, which
 * mends whatever was lost, and gets what it may have of what it wants. Returns what it got, how many gateways
 * wait, and how many slots are free. */
static const char script_slots[] =
    "local leases, counts, waiting = KEYS[1], KEYS[2], KEYS[3]\n"
    "local me, held, want = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)\n"
    "local function is_gone(other)\n"
    "  return other ~= me and not redis.call('ZSCORE', leases, other)\n"
    "end\n"
    "local free = tonumber(ARGV[4]) - held\n"
    "local all = redis.call('HGETALL', counts)\n"
    "for i = 1, #all, 2 do\n"
    "  if is_gone(all[i]) then redis.call('HDEL', counts, all[i])\n"
    "  elseif all[i] ~= me then free = free - all[i + 1] end\n"
    "end\n"
    "for _, other in ipairs(redis.call('ZRANGE', waiting, 0, -1)) do\n"
    "  if is_gone(other) then redis.call('ZREM', waiting, other) end\n"
    "end\n"
    "local got = 0\n"
    /* One for each gateway that has waited longer; then one for me, and I am the last of them. */
    "while got < want and free > (redis.call('ZRANK', waiting, me) or redis.call('ZCARD', waiting)) do\n"
    "  redis.call('ZREM', waiting, me)\n"
    "  got = got + 1\n"
    "  free = free - 1\n"
    "end\n"
    "held = held + got\n"
    "local waits = got < want\n"
    "if waits then redis.call('ZADD', waiting, 'NX', t[1] * 1000000 + t[2], me)\n"
    "else redis.call('ZREM', waiting, me) end\n"
    "if held > 0 then redis.call('HSET', counts, me, held) else redis.call('HDEL', counts, me) end\n"
    "if held > 0 or waits then redis.call('ZADD', leases, now + ARGV[5], me)\n"
    "else redis.call('ZREM', leases, me) end\n"
    /* Only those whose turn it is are told: no crowd comes. */
    "if free > 0 then\n"
    "  for _, other in ipairs(redis.call('ZRANGE', waiting, 0, free - 1)) do\n"
    "    if other ~= me then redis.call('PUBLISH', ARGV[6], ARGV[7] .. ' ' .. other) end\n"
    "  end\n"
    "end\n"
    "return {got, redis.call('ZCARD', waiting), free}\n";
