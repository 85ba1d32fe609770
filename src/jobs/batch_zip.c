/* Happy path: the first picture opens the archive, which stays open until the last one is out; each is read
 * on the lane and becomes a body of the spool. Failure modes: the archive is not there any more, or damaged:
 * each picture fails, with why. Invariants: `zip` and `body` are the lane's while it works, else ours; the
 * process does not end while it works (struct jobs counts). */
#include "jobs/batch_zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "jobs/zip.h"

struct batch_zip {
    struct jobs *jobs;
    uint8_t digest[DIGEST_BYTES];
    struct body *file; /* NULL: not open */
    struct zip *zip;   /* over it; NULL: likewise */
    unsigned at;
    struct body *body; /* what came out */
    struct error err;
    struct lane_job work;
    op_done_fn *on_done;
    bool busy;
};

void batch_zip_limits(const struct options *opt, struct zip_limits *ret)
{
    ret->pictures_max = (size_t)opt->batch_max;
    ret->picture_max_bytes = (uint64_t)opt->upload_max_bytes;
}

struct batch_zip *batch_zip_new(struct job *job)
{
    struct batch_zip *z = NEW(struct batch_zip);
    z->jobs = job->jobs;
    if (job_has_picture(job, 0)) /* else what is unpacked says that it cannot be read */
        memcpy(z->digest, job->picture[0].digest, DIGEST_BYTES);
    return z;
}

void batch_zip_close(struct batch_zip *z)
{
    CHECK(!z->busy);
    zip_free(TAKE(z->zip));
    body_unref(TAKE(z->file));
}

void batch_zip_free(struct batch_zip *z)
{
    if (!z)
        return;
    zip_free(z->zip);
    body_unref(z->file);
    body_unref(z->body);
    free(z);
}

bool batch_zip_busy(const struct batch_zip *z)
{
    return z->busy;
}

/* ---- on the lane ---- */

static int open_zip(struct batch_zip *z)
{
    struct zip_limits limits;
    BLOB_ON_EXIT struct blob *bytes = NULL;
    batch_zip_limits(z->jobs->svc->opt, &limits);
    int r = body_blob(z->file, &bytes, &z->err);
    return r < 0 ? r : zip_open(bytes, &limits, &z->zip, &z->err);
}

static int take(void *ctx, const void *data, size_t size, struct error *e)
{
    return body_append(ctx, data, size, e);
}

static int unpack(struct lane_job *work)
{
    struct batch_zip *z = CONTAINER_OF(work, struct batch_zip, work);
    if (!z->file)
        return -(int)z->err.code;
    int r = z->zip ? 0 : open_zip(z);
    if (r < 0)
        return r;
    z->body = body_new(z->jobs->svc->spool, 0);
    r = zip_read(z->zip, z->at, take, z->body, &z->err);
    if (r < 0)
        body_unref(TAKE(z->body));
    else
        body_finish(z->body);
    return r;
}

/* ---- on the core ---- */

static void unpacked(struct op *op)
{
    struct batch_zip *z = CONTAINER_OF(op, struct batch_zip, work.op);
    z->busy = false;
    z->jobs->unpacking--;
    z->on_done(op);
}

int batch_zip_unpack(struct batch_zip *z, unsigned at, op_done_fn *on_done, void *owner)
{
    CHECK(!z->busy && !z->body);
    z->err = (struct error){0};
    if (!z->file) {
        int r = inputs_open(z->jobs->inputs, z->digest, &z->file, &z->err);
        (void)r; /* told as the end of the first piece of work, like what is wrong with the archive */
    }
    z->at = at;
    z->on_done = on_done;
    z->work = (struct lane_job){0};
    int r = lane_submit(z->jobs->disk, &z->work, unpack, unpacked);
    if (r < 0)
        return r;
    z->work.op.owner = owner;
    z->busy = true;
    z->jobs->unpacking++;
    return 0;
}

struct body *batch_zip_take_body(struct batch_zip *z, struct error *e)
{
    if (!z->body)
        *e = z->err;
    return TAKE(z->body);
}
