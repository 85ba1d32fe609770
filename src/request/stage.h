/* stage.h: what a stage is, and the table of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "request/request.h"

/* NEXT: on to the next stage. WAIT: req->waiting completes later (010: the body comes), then done is called.
 * HIT: there is a result already, on to 110. FAIL: req->err is set, on to 100, which lets go of what is held.
 */
enum verdict { NEXT, WAIT, HIT, FAIL };

/* What it means when the client leaves while the request waits in this stage. */
enum leave {
    LEAVE_STOPS,   /* nothing is paid yet: stop, unless a twin waits */
    LEAVE_ASKS,    /* stop if nothing has been paid, else finish */
    LEAVE_FINISHES /* paid: finish and remember the result */
};

struct stage {
    const char *name;
    enum verdict (*enter)(struct request *req);
    enum verdict (*done)(struct request *req); /* NULL: it never waits */
    size_t limit_offset;                       /* of the option that bounds the wait; 0: bounded elsewhere */
    bool on_core;                              /* must run on the core thread */
    enum leave leave;
};

extern const struct stage stages[STAGE_COUNT];

/* For a stage that starts an operation: remembers it and returns WAIT. on_done must be pipeline_op_done. */
enum verdict stage_wait(struct request *req, struct op *op);
void pipeline_op_done(struct op *op);

/* 060's, for 050: would a request like this have to wait now? (core thread) Put its bytes into files, then.
 */
bool queue_is_busy(const struct request *req);
void queue_put_down(struct request *req);

enum verdict receive_enter(struct request *req);
enum verdict receive_done(struct request *req);
enum verdict validate_enter(struct request *req);
enum verdict lookup_enter(struct request *req);
enum verdict join_enter(struct request *req);
enum verdict join_done(struct request *req);
enum verdict prescale_enter(struct request *req);
enum verdict prescale_done(struct request *req);
enum verdict queue_enter(struct request *req);
enum verdict queue_done(struct request *req);
enum verdict run_enter(struct request *req);
enum verdict run_done(struct request *req);
enum verdict read_output_enter(struct request *req);
enum verdict store_enter(struct request *req);
enum verdict store_done(struct request *req);
enum verdict settle_enter(struct request *req);
enum verdict measure_enter(struct request *req);
enum verdict respond_enter(struct request *req);
