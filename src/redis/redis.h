/* redis.h: a client of one Redis server, on the core loop. It never makes anybody wait for long.
 *
 * Order: redis_new; redis_listen for each channel; redis_start; for each command fill a struct redis_command,
 * redis_call_start, wait for the op, read reply, redis_call_release; redis_stop, when it is not busy any more
 * or nobody cares; redis_free. Commands of all callers share one connection and are sent and answered in
 * order; messages of channels have a connection of their own, as the protocol wants it.
 *
 * A server that does not answer a command within timeout_ms, or whose connection breaks, is switched off at
 * once: every command under way fails, later ones fail without waiting, and the connection is tried again in
 * the background until the server answers. So at most the commands under way at that moment wait, and none
 * longer than timeout_ms.
 *
 * How a call ends:
 *   - 0: reply is the server's, of any type but an error
 *   - UPSTREAM: the server answered with an error; err.reason is its text
 *   - PROVIDER_UNAVAILABLE: switched off, before or after it was sent: it may have been carried out
 *   - QUEUE_FULL: pipeline_max commands are under way: it was not sent
 *   - CLIENT_GONE: op_cancel; it is carried out all the same
 * Core thread, but for redis_is_up. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "loop/loop_uv.h"
#include "loop/op.h"
#include "tables/error.h"

struct redis;

struct redis_config {
    struct loop_uv *uv;
    const char *option;    /* what the address is called in messages: "REDIS_URL" */
    const char *url;       /* address.h says how it is written */
    uint32_t timeout_ms;   /* of a command */
    uint32_t pipeline_max; /* commands under way at most */
    /* Each time it is switched off or on again (why is "" then), and once if the first try fails. NULL:
     * nobody listens. */
    void (*notice)(void *ctx, bool up, const char *why);
    void *ctx;
};

/* VALIDATION: the URL cannot be used. Nothing is connected yet. */
int redis_new(const struct redis_config *config, struct redis **ret, struct error *e) MUST_CHECK;
void redis_start(struct redis *r);
/* Commands under way fail, and their owners are told before this returns. */
void redis_stop(struct redis *r); /* accepts NULL, and one that has not been started */
void redis_free(struct redis *r); /* accepts NULL; stopped */

bool redis_is_up(const struct redis *r); /* it answers; any thread */
bool redis_busy(const struct redis *r);  /* commands are under way */
struct loop *redis_loop(const struct redis *r);
const char *redis_place(const struct redis *r); /* "host:port", for people */

/* ---- commands ---- */

enum { REDIS_ARGS_MAX = 40, REDIS_NUMBERS_MAX = 8 };

/* Borrows its texts until it is started or sent; points into itself, so it is not copied. */
struct redis_command {
    unsigned argc, numbers;
    const char *argv[REDIS_ARGS_MAX];
    size_t len[REDIS_ARGS_MAX];
    char number[REDIS_NUMBERS_MAX][24];
};

struct redis_command redis_command(const char *name);
void redis_add(struct redis_command *c, const char *text);
void redis_add_bytes(struct redis_command *c, const void *data, size_t size);
void redis_add_int(struct redis_command *c, int64_t n);

struct redis_pending;

struct redis_call {
    struct op op;
    redisReply *reply; /* after success or UPSTREAM; the call's */
    struct error err;
    struct redis_pending *pending; /* while it runs */
};

void redis_call_start(struct redis *r, struct redis_call *call, const struct redis_command *c,
                      op_done_fn *on_done);
void redis_call_release(struct redis_call *call); /* not while it runs; accepts a zeroed one */
/* Nobody waits for the answer; dropped when switched off or full. */
void redis_send(struct redis *r, const struct redis_command *c);

/* ---- channels ---- */

enum { REDIS_CHANNELS_MAX = 4 };

/* message NULL: listening begins, now or again, and what was said before may have been missed. */
typedef void redis_message_fn(void *ctx, const char *message);
/* Before redis_start. channel: copied. */
void redis_listen(struct redis *r, const char *channel, redis_message_fn *on_message, void *ctx);
/* Calls back (from the loop, never from inside a call) each time it is switched off, or on. Before
 * redis_start. */
void redis_on_down(struct redis *r, void (*down)(void *ctx), void *ctx);
void redis_on_up(struct redis *r, void (*up)(void *ctx), void *ctx);
