/* GET /api/jobs/{id}/children: the jobs of a batch, with their results. One that is in memory is told as it
 * is there, the others as the journal has them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/batch.h"
#include "jobs/pages.h"
#include "web/links.h"

enum { ANSWER_MAX = 256 << 20 };

struct children_call {
    struct jobs *jobs;
    struct exchange *x;
    struct buf text, base;
    json_t *entries; /* of the archive; NULL: there was none */
    struct journal_read read;
};

static void put_child(struct journal_read *r, const struct journal_row *row)
{
    struct children_call *c = CONTAINER_OF(r, struct children_call, read);
    struct job *here = job_find(c->jobs, row->id);
    struct job *job = here ? here : job_of_row(c->jobs, row);
    if (!job)
        return;
    const char *place = job->key ? strrchr(job->key, ':') : NULL;
    int64_t index = place ? strtoll(place + 1, NULL, 10) : -1;
    const char *name = job_batch_name(c->entries, index);
    json_out_begin(&c->text, '{');
    json_out_int(&c->text, "index", index);
    if (name)
        json_out_text(&c->text, "name", name);
    json_out_key(&c->text, "job");
    job_put(&c->text, job, buf_text(&c->base));
    json_out_end(&c->text, '}');
    if (!here)
        job_free(job);
}

static struct reply *answer(struct children_call *c, int result)
{
    struct error e;
    if (result == -ERR_DATABASE || c->text.failed) {
        error_set(&e, ERR_DATABASE, "The jobs of the batch cannot be read now");
        return reply_error(c->x, NULL, &e);
    }
    json_out_end(&c->text, ']');
    json_out_end(&c->text, '}');
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&c->text);
    return reply_json(200, body);
}

static void read_over(struct op *op)
{
    struct children_call *c = CONTAINER_OF(op, struct children_call, read.op);
    exchange_answer_suspended(c->x, answer(c, op->result));
    buf_release(&c->text);
    buf_release(&c->base);
    json_decref(c->entries);
    free(c);
}

void job_children_page(struct exchange *x, const struct job *batch)
{
    struct jobs *j = batch->jobs;
    struct children_call *c = NEW(struct children_call);
    c->jobs = j;
    c->x = x;
    buf_init(&c->text, ANSWER_MAX);
    buf_init(&c->base, LINK_MAX);
    link_base(x, j->svc->opt, &c->base);
    json_out_begin(&c->text, '{');
    json_out_text(&c->text, "request_id", exchange_request_id(x));
    json_out_text(&c->text, "status", "success");
    json_out_key(&c->text, "data");
    json_out_begin(&c->text, '[');
    c->entries = job_batch_entries(batch);
    memcpy(c->read.id, batch->id, sizeof(batch->id));
    c->read.row = put_child;
    journal_children(j->svc->journal, &c->read, read_over);
}
