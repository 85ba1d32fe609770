/* GET /api/jobs/{id}/children: the jobs of a batch, with their results. One that is in memory is told as it
 * is there, the others as the journal has them. */
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/pages.h"
#include "web/links.h"

enum { ANSWER_MAX = 256 << 20 };

struct children_call {
    struct jobs *jobs;
    struct exchange *x;
    struct buf text, base;
    struct journal_read read;
};

static void put_child(struct journal_read *r, const struct journal_row *row)
{
    struct children_call *c = CONTAINER_OF(r, struct children_call, read);
    struct job *here = job_find(c->jobs, row->id);
    struct job *job = here ? here : job_of_row(c->jobs, row);
    if (!job)
        return;
    const char *index = job->key ? strrchr(job->key, ':') : NULL;
    json_out_begin(&c->text, '{');
    json_out_int(&c->text, "index", index ? strtoll(index + 1, NULL, 10) : -1);
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
    struct reply *r = reply_new(200);
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&c->text);
    reply_body(r, body, "application/json; charset=utf-8");
    reply_header(r, "Cache-Control", "no-store");
    return r;
}

static void read_over(struct op *op)
{
    struct children_call *c = CONTAINER_OF(op, struct children_call, read.op);
    exchange_answer_suspended(c->x, answer(c, op->result));
    buf_release(&c->text);
    buf_release(&c->base);
    free(c);
}

void job_children_page(struct jobs *j, struct exchange *x, const char *id)
{
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
    memcpy(c->read.id, id, strlen(id) + 1);
    c->read.row = put_child;
    journal_children(j->svc->journal, &c->read, read_over);
}
