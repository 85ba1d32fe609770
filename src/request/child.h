/* child.h: a request made by another one, for a step of its work.
 *
 * The child goes through all stages like one that came by HTTP: cache, twins, prescaling, a slot, the model,
 * the store. Its answer is an operation of its parent's. Order: child_new, child_start, wait for child_op,
 * read, child_release. Cancelling the op tells the child that its client has left: what is paid for is
 * finished and remembered all the same. Core thread. */
#pragma once

#include "base/macros.h"
#include "request/request.h"

struct child;

/* Works on the parent's first picture, if the feature takes one. The parent's arena holds it; the child
 * shares no other memory. */
struct child *child_new(struct request *parent, const struct feature *f) MUST_CHECK;
/* One of many for the same work, which was accepted as a whole: no queue is too full for it, and it waits as
 * long as a job does. name: no other part has it; what an earlier process knew of the part is taken up.
 * Cancelled, it ends when its run has, so that its cost is known. */
struct child *child_new_part(struct request *parent, const struct feature *f, const char *name) MUST_CHECK;
void child_add_field(struct child *c, const char *name, const char *value); /* before its start; copied */
void child_start(struct child *c, op_done_fn *on_done);
struct op *child_op(struct child *c); /* 0, or the child's error */
const struct error *child_error(const struct child *c);
int64_t child_cost(const struct child *c);                /* of its run; 0 if none was needed */
int64_t child_saved(const struct child *c);               /* likewise: what it had not to pay for */
bool child_spent(const struct child *c);                  /* a model ran for it, or may have */
bool child_billed(const struct child *c);                 /* likewise, at a provider that bills */
const struct result *child_result(const struct child *c); /* after success */
struct blob *child_blob(const struct child *c); /* its first output, borrowed; NULL: it was in the cache */
void child_forget(struct child *c);  /* after success: its result cannot be used, and leaves the cache */
void child_release(struct child *c); /* accepts NULL; not while it runs */
