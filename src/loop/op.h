/* op.h: an operation, something that takes a while and that somebody waits for.
 *
 * A concrete operation (a lane job, a wait for a slot, a prediction, a put) embeds struct op. Rules:
 *   - its owner calls its start function, which calls op_begin;
 *   - it completes exactly once, by op_complete, never inside its own start;
 *   - the owner's on_done runs from the loop's ready queue, so never inside anybody else's call;
 *   - op_cancel asks for an early end. The operation still completes exactly once, soon, with its own result
 *     or -ERR_CLIENT_GONE; the owner decides what the cancellation meant;
 *   - after on_done has been called the memory is the owner's again.
 * Core thread only. */
#pragma once

#include <stdbool.h>

#include "base/list.h"

struct loop;
struct op;

typedef void op_done_fn(struct op *op);

enum op_state { OP_IDLE, OP_RUNNING, OP_COMPLETE };

struct op {
    struct list ready; /* in the loop's ready queue while COMPLETE */
    struct loop *loop;
    op_done_fn *on_done;
    void (*cancel)(struct op *op); /* the operation's own; NULL: cannot be hurried */
    void *owner;                   /* the owner's own */
    int result;                    /* 0 or negative ERR_, once complete */
    enum op_state state;
};

void op_begin(struct op *op, struct loop *loop, op_done_fn *on_done, void (*cancel)(struct op *op));
void op_complete(struct op *op, int result);
void op_cancel(struct op *op); /* does nothing unless running */

static inline bool op_running(const struct op *op)
{
    return op->state == OP_RUNNING;
}
