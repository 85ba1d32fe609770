/* Clients: what 010 and http_client.c do for a connection, without one. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "sim.h"

static void leave_fires(struct timer *t)
{
    sim_leave(CONTAINER_OF(t, struct sim_client, leave));
}

/* A result must be the key's own, and be where it says it is. */
static void check_result(struct sim *sim, const struct request *req, const struct result *r)
{
    char key[DIGEST_HEX + 1];
    hex_encode(req->validate.key, DIGEST_BYTES, key);
    SIM_CHECK(sim, r->reason && strcmp(r->reason, key) == 0);
    SIM_CHECK(sim, r->output_count >= 1 && r->output_count <= RESULT_OUTPUTS_MAX);
    for (unsigned i = 0; i < r->output_count; i++)
        SIM_CHECK(sim, sim_store_has(sim, r->output[i].key, r->output[i].bytes));
}

static void client_suspend(struct request *req)
{
    struct sim_client *c = req->client_state;
    SIM_CHECK(c->sim, c->answers == 0 && !req->on_core);
}

static void client_watch(struct request *req)
{
    struct sim_client *c = req->client_state;
    SIM_CHECK(c->sim, c->answers == 0 && req->on_core && !c->watched);
    c->watched = true;
    if (c->left) /* it went while its request was on the way */
        request_client_left(req);
    else if (c->impatient)
        sim_leave(c);
}

static void client_answer(struct request *req)
{
    struct sim_client *c = req->client_state;
    struct sim *sim = c->sim;
    SIM_CHECK(sim, c->req == req && c->answers++ == 0);
    const struct result *r = request_result(req);
    SIM_CHECK(sim, r || req->err.code != ERR_NONE);
    if (r)
        check_result(sim, req, r);
    c->req = NULL;
    c->error = r ? ERR_NONE : req->err.code;
    c->retry_after_s = req->err.retry_after_s;
    c->hit = req->lookup.hit != NULL;
    c->joined = req->join.collapsed;
    c->degraded = r && r->degraded;
    timer_disarm(&sim->world, &c->leave);
    sim->answered++;
    if (c->left)
        return;
    SIM_CHECK(sim, c->error != ERR_CLIENT_GONE); /* it is still there */
    sim->error_count[c->error]++;
    *(r ? &sim->succeeded : &sim->failed) += 1;
}

static void client_progress(struct request *req, unsigned done, unsigned total)
{
    struct sim_client *c = req->client_state;
    SIM_CHECK(c->sim, c->answers == 0 && done <= total);
    c->sim->progress_calls++;
}

static const struct client_ops client_ops = {
    .suspend = client_suspend,
    .watch = client_watch,
    .answer = client_answer,
    .progress = client_progress,
};

/* The connection dies while the body is coming, as on_close of 010 has it. */
static void die_in_upload(struct sim_client *c)
{
    struct request *req = TAKE(c->req);
    timer_disarm(&c->sim->world, &c->upload);
    req->client = NULL;
    error_set(&req->err, ERR_CLIENT_GONE, "The connection closed while the upload was arriving");
    request_resume(req);
}

void sim_leave(struct sim_client *c)
{
    if (!c->req || c->left)
        return;
    timer_disarm(&c->sim->world, &c->leave);
    c->left = true;
    c->sim->left++;
    if (c->watched) {
        c->leaving = true;
        request_client_left(c->req);
        c->leaving = false;
        SIM_CHECK(c->sim, c->answers == 1);
    } else if (c->upload.slot) {
        die_in_upload(c);
    } /* else the watch will show it */
}

static void body_is_here(struct request *req)
{
    if (req->receive.body[0])
        body_finish(req->receive.body[0]);
    req->receive.complete = true;
}

static void upload_ends(struct timer *t)
{
    struct sim_client *c = CONTAINER_OF(t, struct sim_client, upload);
    body_is_here(c->req);
    request_resume(c->req);
}

static int append_picture(struct sim *sim, struct request *req, const struct blob *picture)
{
    req->receive.body[0] = body_new(sim->svc.spool, sim_chance(sim, 50) ? picture->size : 0);
    size_t half = picture->size / 2;
    int r = body_append(req->receive.body[0], picture->data, half, &req->err);
    return r < 0 ? r
                 : body_append(req->receive.body[0], picture->data + half, picture->size - half, &req->err);
}

struct sim_client *sim_post(struct sim *sim, const struct sim_post *post)
{
    struct sim_client *c = NEW(struct sim_client);
    c->sim = sim;
    c->impatient = post->impatient;
    list_push_back(&sim->clients, &c->node);
    sim->posted++;
    const struct feature *f = &features[post->feature];
    metrics_arrived(sim->svc.metrics, f);
    struct request *req = request_new(&sim->svc, f, "sim", &client_ops, c, sim->now_ns);
    c->req = req;
    req->caller = post->caller;
    req->priority = post->priority;
    if (atomic_load(&sim->svc.draining))
        error_set(&req->err, ERR_DRAINING, "%s", "");
    else if (append_picture(sim, req, sim->picture[post->picture]) == 0 && post->field)
        request_add_field(req, post->field, post->value);
    if (post->feature == FEATURE_RELIGHT)
        request_add_field(req, "prompt", "evening");
    if (post->leave_ns)
        sim_arm(sim, &c->leave, post->leave_ns, leave_fires);
    if (post->upload_ns && req->err.code == ERR_NONE)
        sim_arm(sim, &c->upload, post->upload_ns, upload_ends);
    else if (req->err.code == ERR_NONE)
        body_is_here(req);
    request_start(req);
    return c;
}

void sim_clients_free(struct sim *sim)
{
    struct list *node;
    while ((node = list_pop_front(&sim->clients)))
        free(CONTAINER_OF(node, struct sim_client, node));
}
