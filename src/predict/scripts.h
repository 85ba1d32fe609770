/* scripts.h: the account's bucket in Redis, in Lua. Private to shared_bucket.c.
 *
 * One hash holds all accounts: a field is the digest of a token, its value "full paused slow", each the time
 * in us by the server's clock at which the places given are used up, a pause is over, and low credit may be
 * over (0: there is enough). The hash has no time to live, so nothing evicts it but allkeys-*; what is over
 * is removed by whoever comes next. The generic cell rate algorithm is bucket.c's. */
#pragma once

#define SCRIPT_READ                                                                                          \
    "local t = redis.call('TIME')\n"                                                                         \
    "local now = t[1] * 1000000 + t[2]\n"                                                                    \
    "local full, paused, slow = now, 0, 0\n"                                                                 \
    "local all = redis.call('HGETALL', KEYS[1])\n"                                                           \
    "for i = 1, #all, 2 do\n"                                                                                \
    "  local a, b, c = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')\n"                                    \
    "  a, b, c = tonumber(a) or 0, tonumber(b) or 0, tonumber(c) or 0\n"                                     \
    "  if all[i] == ARGV[1] then full, paused, slow = math.max(a, now), b, c\n"                              \
    "  elseif math.max(a, b, c) < now then redis.call('HDEL', KEYS[1], all[i]) end\n"                        \
    "end\n"
#define SCRIPT_WRITE                                                                                         \
    "redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %.0f', full, paused, slow))\n"

/* KEYS: accounts. ARGV: digest, interval and slack, interval of a slow one, longest wait, and what this
 * gateway knows and Redis may not: time until the places are used up, of the pause, of low credit; all in us.
 * Returns whether a place was taken, the wait until it, and the three times as they are now. */
static const char script_take[] =
    SCRIPT_READ "full = math.max(full, now + ARGV[6])\n"
                "if tonumber(ARGV[7]) > 0 then paused = math.max(paused, now + ARGV[7]) end\n"
                "if tonumber(ARGV[8]) > 0 then slow = math.max(slow, now + ARGV[8]) end\n"
                "local interval, slack = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
                "if slow > 0 then interval, slack = tonumber(ARGV[4]), 0 end\n"
                "local wait = math.max(0, full - slack - now, paused - now)\n"
                "local taken = 0\n"
                "if wait < tonumber(ARGV[5]) then\n"
                "  taken = 1\n"
                "  full = full + interval\n"
                "end\n" SCRIPT_WRITE "if slow > 0 then slow = math.max(slow - now, 1) end\n"
                "return {taken, wait, full - now, math.max(paused - now, 0), slow}\n";

/* KEYS: accounts. ARGV: digest, pause (0: none), low credit for so long (0: nothing new, -1: over), slack,
 * channel, the gateway; all in us. */
static const char script_tell[] =
    SCRIPT_READ "local pause, credit, was = tonumber(ARGV[2]), tonumber(ARGV[3]), slow\n"
                "if pause > 0 and now + pause > paused then\n"
                "  paused = now + pause\n"
                "  full = paused + (slow > 0 and 0 or tonumber(ARGV[4]))\n"
                "end\n"
                "if credit > 0 then slow = now + credit end\n"
                "if credit < 0 then slow = 0 end\n"
                "if was == 0 and slow > 0 then full = math.max(now, paused) end\n" SCRIPT_WRITE
                "redis.call('PUBLISH', ARGV[5], table.concat({ARGV[1], ARGV[6], ARGV[2], ARGV[3]}, ' '))\n"
                "return 0\n";
