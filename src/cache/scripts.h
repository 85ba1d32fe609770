/* scripts.h: what Redis does in one step, in Lua. Private to shared.c.
 *
 * A lease is the text "<fence> <token>": the fence is a number that grows with every lease, for those who
 * wait; the token is the holder's own, for the holder. It lives as long as it is prolonged. */
#pragma once

/* KEYS: result [lease failure fence]. ARGV: token, lease ms, the fence that was waited for. */
static const char script_get[] =
    "local value = redis.call('GET', KEYS[1])\n"
    "if value then return {'hit', value, redis.call('PTTL', KEYS[1])} end\n"
    "if #KEYS == 1 then return {'miss'} end\n"
    "local failure = redis.call('GET', KEYS[3])\n"
    "if failure and string.match(failure, '^%d+') == ARGV[3] then return {'failed', failure} end\n"
    "local held = redis.call('GET', KEYS[2])\n"
    "if held then return {'held', held, redis.call('PTTL', KEYS[2])} end\n"
    "local fence = redis.call('INCR', KEYS[4])\n"
    "redis.call('SET', KEYS[2], fence .. ' ' .. ARGV[1], 'NX', 'PX', ARGV[2])\n"
    "return {'taken', fence}\n";

#define SCRIPT_IS_MINE(held) "(" held " and string.match(" held ", ' (.+)$') == ARGV[1])"

/* KEYS: result, lease. ARGV: token, value, its time to live in ms, channel, message. A lease that has moved
 * on means that somebody else has made, or makes, a newer result. */
static const char script_settle[] =
    "local held = redis.call('GET', KEYS[2])\n"
    "local lapsed = not held and redis.call('EXISTS', KEYS[1]) == 0\n"
    "if not lapsed and not " SCRIPT_IS_MINE("held") " then return 0 end\n"
                                                    "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
                                                    "redis.call('DEL', KEYS[2])\n"
                                                    "redis.call('PUBLISH', ARGV[4], ARGV[5])\n"
                                                    "return 1\n";

/* KEYS: lease, failure. ARGV: token, the failure or '', its time to live in ms, channel, message. */
static const char script_give_up[] =
    "local held = redis.call('GET', KEYS[1])\n"
    "if not " SCRIPT_IS_MINE(
        "held") " then return 0 end\n"
                "redis.call('DEL', KEYS[1])\n"
                "if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end\n"
                "redis.call('PUBLISH', ARGV[4], ARGV[5])\n"
                "return 1\n";

/* KEYS: result, lease. ARGV: token, lease ms, fence. */
static const char script_renew[] =
    "local held = redis.call('GET', KEYS[2])\n"
    "if not held and redis.call('EXISTS', KEYS[1]) == 0 then\n"
    "  redis.call('SET', KEYS[2], ARGV[3] .. ' ' .. ARGV[1], 'PX', ARGV[2])\n"
    "  return 1\n"
    "end\n"
    "if not " SCRIPT_IS_MINE("held") " then return 0 end\n"
                                     "return redis.call('PEXPIRE', KEYS[2], ARGV[2])\n";
