/* batch.h: one feature for many pictures: a job of its own whose work is to have other jobs accepted, and
 * which is over when all of them are.
 *
 * A child is a job like any other, with the batch as its parent and an Idempotency-Key made of the batch and
 * its place in it; so after a restart the rest is submitted again, and nothing twice. The pictures of an
 * archive are unpacked one at a time, when their turn to be submitted comes. At most BATCH_SUBMITS children
 * are being accepted at once; how many are worked on is for JOBS_ACTIVE_MAX and the class limits. Core
 * thread, but for the page. */
#pragma once

#include "jobs/job.h"

struct batch;

/* POST /api/batch {"feature","items":[{…}],"fields"?,"callback_url"?}: answers x from the core. A front
 * thread; the exchange is complete. */
void job_batch_page(struct jobs *j, struct exchange *x, struct blob *body, const char *who);

/* The same with the pictures in a zip archive, and the rest in the query; takes a reference of its own. */
void job_batch_archive_page(struct jobs *j, struct exchange *x, struct body *archive, const char *who);

/* What a batch is asked for, as job->request holds it. By JSON: {"items":[{…}],"fields":{…}}. By an archive:
 * {"entries":[{"at":place in it,"name":…}],"passed_over":n,"pictures":[{"digest":the archive's}],
 * "fields":{…}}. */

/* The names of a batch's items, by index; NULL: they have none. Freed by json_decref. */
struct json_t *job_batch_entries(const struct job *job) MUST_CHECK;
const char *job_batch_name(const struct json_t *entries, int64_t index); /* NULL: none; accepts NULL */

/* For a job of the kind JOURNAL_BATCH: */
void job_batch_begin(struct job *job); /* submits what is not there yet */
void job_batch_cancel(struct job *job);
void job_batch_adopt(struct job *job); /* of an earlier process: the pictures that it names */
void job_batch_slim(
    struct job *job); /* it is over: what it asked for goes, but for names that are still told */
void job_batch_free(struct job *job);                     /* accepts one without */
void job_batch_put(struct buf *b, const struct job *job); /* "batch":{…} in an object that is open */
void job_batch_counts_json(const struct job *job, struct buf *ret);
void job_batch_child_over(const struct job *child); /* one with a parent */
