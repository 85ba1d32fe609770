#include "predict/cog_body.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/macros.h"
#include "predict/output_walk.h"
#include "predict/replicate_answer.h"
#include "predict/replicate_input.h"

enum { INPUT_BYTES_MAX = 1 << 20 };

int cog_body_make(const struct prediction *p, const char *id, struct blob **ret, struct error *e)
{
    const struct replicate_target target = {.feature = p->feature, .wanted = p->wanted};
    const struct replicate_image image = {.bytes = p->input, .type = p->info.type};
    const struct replicate_beside beside = {.id = id};
    BUF_ON_EXIT struct buf body;
    buf_init(&body, INPUT_BYTES_MAX + (p->input ? base64_length(p->input->size) : 0));
    int r = replicate_target_body(&target, p->params, &image, &beside, &body, e);
    if (r == 0)
        *ret = buf_take_blob(&body);
    return r;
}

/* ---- reading ---- */

static void read_outputs(const struct replicate_answer *a, const struct output_limits *limits,
                         struct cog_answer *ret)
{
    struct output_list list = {0};
    ret->next = COG_FAIL;
    if (output_walk(a->output, limits, &list, &ret->err) < 0)
        return;
    ret->output_count = prediction_take_outputs(&list, limits->concatenate, ret->output);
    output_list_release(&list);
    if (ret->output_count > 0)
        ret->next = COG_DONE;
    else
        error_set(&ret->err, ERR_UPSTREAM,
                  limits->concatenate ? "The model wrote nothing" : "The model gave no picture");
}

/* A run whose failure came as a success of HTTP is told by its status. One that somebody else has ended, or
 * that is still going on after the answer, may be had again. */
static void read_run(const struct replicate_reply *reply, const struct output_limits *limits,
                     struct cog_answer *ret)
{
    struct replicate_answer a = {0};
    ret->next = COG_FAIL;
    if (replicate_answer_read(reply, "", &a, &ret->err) < 0)
        return;
    const struct replicate_asked asked = {0};
    struct replicate_verdict verdict;
    replicate_answer_next(&a, &asked, &verdict);
    ret->err = verdict.err;
    if (verdict.next == REPLICATE_DONE) {
        read_outputs(&a, limits, ret);
    } else if (verdict.next == REPLICATE_POLL) {
        ret->next = COG_RETRY;
        error_set(&ret->err, ERR_UPSTREAM, "The model's server answered before the run was over");
    } else if (verdict.why == REPLICATE_WHY_CANCELED || verdict.why == REPLICATE_WHY_ABORTED) {
        ret->next = COG_RETRY;
    }
    replicate_answer_release(&a);
}

void cog_answer_read(const struct replicate_reply *reply, const struct output_limits *limits,
                     struct cog_answer *ret)
{
    *ret = (struct cog_answer){.next = COG_FAIL};
    if (reply->status >= 200 && reply->status <= 299) {
        read_run(reply, limits, ret);
        return;
    }
    struct replicate_problem problem;
    replicate_error_read(reply, &problem);
    ret->err = problem.err;
    ret->refusal = problem.refusal;
    ret->wait_s = problem.err.retry_after_s;
    if (reply->status == 409 || reply->status == 429)
        ret->next = COG_FULL;
    else if (reply->status == 503)
        ret->next = COG_NOT_UP;
    else if (reply->status == 502 || reply->status == 504) /* a proxy did not reach it */
        ret->next = COG_RETRY;
}
