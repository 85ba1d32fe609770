/* The core's part of /v1, and its beginning and end.
 *
 * Happy path: a call comes by mail and is answered, waits for its run, or is handed on. At the end of the
 * program creates are refused, what was accepted is still created upstream and its waiters answered; then
 * predictions are left to themselves, and go on there. */
#include "v1/v1.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "v1/inside.h"

enum {
    FRESH_MS = 250, /* what was heard so lately is news */
    NEWS_MS = 2000, /* longest wait for younger ones */
    STREAM_MS = 30000,
    CANCEL_MS = 20000
};

static void get(struct v1_call *c, struct v1_record *r)
{
    struct v1_run *run = r->run;
    bool asks = run->at == V1_RUNNING && run->said && !run->ended && !r->left_ms &&
                v1_now_ns(c->v1) - run->heard_ns > FRESH_MS * NS_PER_MS;
    if (!asks) {
        v1_answer_record(TAKE(c->x), c->base, r, 200, NULL);
        return;
    }
    v1_wait(c, r, WANTS_NEWS, NEWS_MS);
    replicate_raw_look(&run->work->p, FRESH_MS);
}

static void cancel(struct v1_call *c, struct v1_record *r)
{
    v1_cancel_record(r);
    if (r->run->at == V1_OVER || r->left_ms)
        v1_answer_record(TAKE(c->x), c->base, r, 200, NULL);
    else
        v1_wait(c, r, WANTS_CANCEL, CANCEL_MS);
}

static void stream(struct v1_call *c, struct v1_record *r)
{
    struct v1_run *run = r->run;
    if (run->at == V1_OVER || run->stream_url)
        v1_answer_stream(TAKE(c->x), r);
    else
        v1_wait(c, r, WANTS_STREAM, STREAM_MS);
}

/* true: c is another's now. */
static bool dispatch(struct v1_call *c)
{
    static void (*const of_record[])(struct v1_call * c, struct v1_record * r) = {
        [V1_GET] = get, [V1_CANCEL] = cancel, [V1_STREAM] = stream};
    struct v1_record *r;
    switch (c->what) {
    case V1_CREATE:
        v1_create(c);
        return false;
    case V1_LIST:
        v1_answer_list(c);
        c->x = NULL;
        return false;
    case V1_PASS:
        v1_pass(c);
        return true;
    case V1_GET:
    case V1_CANCEL:
    case V1_STREAM:
        break;
    }
    r = v1_record_find(c->v1, c->id);
    if (r && v1_record_belongs(r, c->tenant)) {
        of_record[c->what](c, r);
        return false;
    }
    if (r || c->what == V1_STREAM) {
        struct error e;
        error_set(&e, ERR_NOT_FOUND, "The requested resource could not be found.");
        v1_answer_error(TAKE(c->x), &e);
        return false;
    }
    v1_pass_prediction(c);
    return true;
}

void v1_deliver(struct message *m)
{
    struct v1_call *c = CONTAINER_OF(m, struct v1_call, mail);
    if (!dispatch(c))
        v1_call_free(c);
}

/* ---- the beginning and the end ---- */

int v1_new(const struct v1_config *config, struct v1 **ret, struct error *e)
{
    struct v1 *v = NEW(struct v1);
    v->config = *config;
    int r = classes_new(config->opt->v1_classes, &v->classes, e);
    if (r < 0) {
        free(v);
        return r;
    }
    v1_records_init(v);
    *ret = v;
    return 0;
}

void v1_stop(struct v1 *v)
{
    if (v)
        v->stopping = true;
}

bool v1_busy(struct v1 *v)
{
    if (!v)
        return false;
    bool busy = v->passes > 0 || v->alive > 0 || !list_empty(&v->relays);
    v1_end_relays(v);
    LIST_FOREACH (node, &v->records) {
        struct v1_run *run = CONTAINER_OF(node, struct v1_record, by_age)->run;
        if (run->at != V1_RUNNING || !run->said || !list_empty(&run->waiters))
            continue;
        bool gone = replicate_raw_let_go(&run->work->p);
        (void)gone; /* if it is not, it is asked again; if it is, its op ends in this turn */
    }
    return busy;
}

void v1_free(struct v1 *v)
{
    if (!v)
        return;
    CHECK(v->alive == 0 && v->passes == 0);
    v1_records_release(v);
    v1_kept_release(v);
    classes_free(v->classes);
    free(v);
}
