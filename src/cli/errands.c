/* Happy path: each of several lanes takes the next errand, asks for it, waits for the answer, and takes the
 * next one; the last lane to find nothing stops the loop. Failure modes: a gateway that has no place or
 * cannot be reached any more is asked again with pauses, as long as a request may wait in its queue; one that
 * never answered, or refuses the key, ends everything at once. Invariants: a lane has a call or a pause under
 * way, or its owner is at work on the answer, or it is idle; each errand is over once. */
#include "cli/errands.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/text.h"

enum { DRAW_MS = 100 };

/* ---- what is told ---- */

static double seconds_since(const struct errands *all, uint64_t from_ns)
{
    return (double)(loop_now_ns(all->loop) - from_ns) / 1e9;
}

double errand_seconds(const struct errand *a)
{
    return seconds_since(a->all, a->begun_ns);
}

static void draw(struct errands *all)
{
    const struct errands_config *c = &all->config;
    const char *name = "";
    char phase[32];
    size_t done = c->ops->over(c->ctx);
    for (unsigned i = 0; i < ERRANDS_AT_ONCE_MAX && !*name; i++)
        name = all->lane[i].name ? all->lane[i].name : "";
    snprintf(phase, sizeof(phase), all->interrupted ? "stopping" : "%u at once", all->busy);
    double elapsed_s = seconds_since(all, all->begun_ns);
    struct progress_view view = {
        .image = (unsigned)MIN(done + 1, c->count),
        .images = (unsigned)c->count,
        .name = name,
        .phase = phase,
        .elapsed_s = elapsed_s,
        .left_s = done > 0 ? elapsed_s / (double)done * (double)(c->count - done) : -1,
    };
    if (c->ops->view && !all->interrupted)
        c->ops->view(c->ctx, &view);
    progress_draw(&all->progress, &view);
}

static void on_draw(struct timer *t)
{
    struct errands *all = CONTAINER_OF(t, struct errands, draw);
    timer_arm(all->loop, t, loop_now_ns(all->loop) + DRAW_MS * NS_PER_MS, on_draw);
    draw(all);
}

static void give_up(struct errands *all, const char *why)
{
    progress_clear(&all->progress);
    if (all->hopeless)
        return;
    fprintf(stderr, "limner: %s: %s\n", all->config.url, why);
    all->hopeless = mem_strdup(why);
}

bool errand_is_hopeless(struct errand *a, bool known)
{
    struct errands *all = a->all;
    int status = a->call.status;
    FREE_ON_EXIT char *none = mem_printf("no gateway answers there; %s says where it is", all->config.flag);
    if (status == 0 && !all->answered && !all->interrupted)
        give_up(all, none);
    else if (status == 401)
        give_up(all, "it wants an API key, and GATEWAY_API_KEY is none of its keys");
    else if (status == 404 && known)
        give_up(all, "what answers there is no limner, or one that does not know this feature");
    else
        return false;
    return true;
}

/* What a refusal says, as problem+json. */
char *errand_reason(const struct errand *a)
{
    const struct http_call *call = &a->call;
    if (call->status == 0)
        return mem_strdup(call->err.reason);
    json_t *doc = json_loadb(buf_text(&call->answer), call->answer.len, 0, NULL);
    const char *detail = json_string_value(json_object_get(doc, "detail"));
    char *why = detail && *detail ? text_clean(detail, text_utf8_ok())
                                  : mem_printf("the answer was HTTP status %d", call->status);
    json_decref(doc);
    return why;
}

/* ---- a call ---- */

static void send_call(struct errand *a);

static void pause_over(struct timer *t)
{
    send_call(CONTAINER_OF(t, struct errand, pause));
}

/* False: it is over, one way or the other. */
static bool try_later(struct errand *a)
{
    struct errands *all = a->all;
    if (all->interrupted || all->hopeless || (a->call.status == 0 && !all->answered))
        return false;
    if (!all->config.ops->may_pass(a))
        return false;
    uint64_t at = patience_next_ns(&a->patience, &all->rng, loop_now_ns(all->loop), a->call.retry_after);
    if (at == 0)
        return false;
    timer_arm(all->loop, &a->pause, at, pause_over);
    return true;
}

static void answered(struct op *op)
{
    struct errand *a = op->owner;
    a->all->answered |= a->call.status > 0;
    bool good = a->call.status >= 200 && a->call.status < 300;
    if (!good && try_later(a)) {
        http_call_release(&a->call);
        return;
    }
    a->all->config.ops->answered(a);
}

static void send_call(struct errand *a)
{
    a->call = a->like;
    a->call.op.owner = a;
    http_call_start(a->all->pool, &a->call, answered);
}

void errand_sign(const struct errand *a, struct http_call *call)
{
    const char *key = a->all->config.opt->gateway_api_key;
    call->header[call->header_count++] =
        (struct http_header){"Accept", "*/*, application/problem+json", false};
    if (*key)
        call->header[call->header_count++] = (struct http_header){"x-api-key", key, true};
}

void errand_ask(struct errand *a, const struct http_call *call, uint32_t after_ms)
{
    struct errands *all = a->all;
    http_call_release(&a->call);
    a->like = *call;
    uint64_t at_ns = loop_now_ns(all->loop) + after_ms * NS_PER_MS;
    patience_begin(&a->patience, PATIENCE_TRIES_ANY, at_ns,
                   (uint32_t)MIN(all->config.opt->queue_timeout_ms, (int64_t)UINT32_MAX));
    if (after_ms > 0)
        timer_arm(all->loop, &a->pause, at_ns, pause_over);
    else
        send_call(a);
}

/* ---- one after another ---- */

static void clear(struct errand *a)
{
    a->all->config.ops->clear(a);
    http_call_release(&a->call);
    free(TAKE(a->name));
}

static void next_errand(struct errand *a)
{
    struct errands *all = a->all;
    while (all->next < all->config.count && !all->interrupted && !all->hopeless) {
        a->number = all->next++;
        a->begun_ns = loop_now_ns(all->loop);
        if (all->config.ops->begin(a))
            return;
        clear(a);
    }
    if (--all->busy > 0)
        return;
    timer_disarm(all->loop, &all->draw);
    loop_uv_stop(all->uv);
}

void errand_over(struct errand *a)
{
    clear(a);
    next_errand(a);
}

static void begin_all(struct message *m)
{
    struct errands *all = CONTAINER_OF(m, struct errands, begin);
    all->busy = (unsigned)MIN((size_t)all->config.at_once, all->config.count);
    unsigned lanes = all->busy;
    for (unsigned i = 0; i < lanes; i++)
        next_errand(&all->lane[i]);
}

static void leave(struct errands *all)
{
    if (all->config.ops->abandon)
        all->config.ops->abandon(all->config.ctx);
    progress_clear(&all->progress);
    _exit(EXIT_INTERRUPTED);
}

static void on_signal(void *ctx, int signum)
{
    struct errands *all = ctx;
    if (all->interrupted)
        leave(all);
    all->interrupted = true;
    for (unsigned i = 0; i < ERRANDS_AT_ONCE_MAX; i++) {
        struct errand *a = &all->lane[i];
        if (a->pause.slot) {
            timer_disarm(all->loop, &a->pause);
            errand_over(a);
        } else if (all->config.cut) {
            op_cancel(&a->call.op);
        }
    }
}

/* ---- the whole ---- */

int errands_start(struct errands *all, const struct errands_config *config, struct error *e)
{
    memset(all, 0, sizeof(*all));
    all->config = *config;
    all->uv = loop_uv_new();
    all->loop = loop_uv_loop(all->uv);
    for (unsigned i = 0; i < ERRANDS_AT_ONCE_MAX; i++) {
        all->lane[i].all = all;
        all->lane[i].lane = i;
    }
    rng_seed(&all->rng, clock_mono_ns());
    progress_init(&all->progress, STDERR_FILENO, config->bar);
    return http_client_start(&(struct http_client_config){.uv = all->uv,
                                                          .user_agent = config->user_agent,
                                                          .ca_file = config->opt->ca_file,
                                                          .connections_per_host = config->at_once},
                             &all->pool, e);
}

void errands_run(struct errands *all)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        loop_uv_on_signal(all->uv, signals[i], on_signal, all);
    all->begun_ns = loop_now_ns(all->loop);
    loop_post(all->loop, &all->begin, begin_all);
    timer_arm(all->loop, &all->draw, all->begun_ns, on_draw);
    loop_uv_run(all->uv);
    progress_clear(&all->progress);
}

void errands_stop(struct errands *all)
{
    http_client_stop(all->pool);
    loop_uv_free(all->uv);
    free(all->hopeless);
}
