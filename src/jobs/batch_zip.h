/* batch_zip.h: the archive of a batch that is under way: its pictures become bodies, one after the other, on
 * the disk lane. Private to this folder; core thread.
 *
 * The archive lies in inputs like the picture of a job, under the batch's first digest. Order: batch_zip_new;
 * batch_zip_unpack while not batch_zip_busy, whose op tells the end; batch_zip_take_body; batch_zip_free when
 * not busy, or when the lane has ended. */
#pragma once

#include "jobs/job.h"

struct batch_zip;

struct batch_zip *batch_zip_new(struct job *job) MUST_CHECK;
void batch_zip_free(struct batch_zip *z); /* accepts NULL */
bool batch_zip_busy(const struct batch_zip *z);

/* at: the place in the archive. owner: of the op that on_done gets. QUEUE_FULL: nothing was started. */
int batch_zip_unpack(struct batch_zip *z, unsigned at, op_done_fn *on_done, void *owner) MUST_CHECK;
/* What came of it, inside on_done: the body is the caller's then; NULL: it failed, and e says why. */
struct body *batch_zip_take_body(struct batch_zip *z, struct error *e) MUST_CHECK;
/* No more pictures are wanted for now: the archive is closed. Not while busy; a later one opens it again. */
void batch_zip_close(struct batch_zip *z);

struct zip_limits;
void batch_zip_limits(const struct options *opt, struct zip_limits *ret);
