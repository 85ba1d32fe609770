/* Happy path: the comic asks for runs; each is a child of the request, with its fields instead of a picture,
 * and with a row of its own in the journal if the request works for a job; what it gives goes to the comic.
 * Failure modes: those of a child are the run's. Cancelling the comic cancels all children; each
 * ends when its run has, so that its cost is counted. Invariants: a child is released when its run's op
 * has completed; rows of steps stay until the job is over, so that a next process finds what was paid for. */
#include "request/story.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/rng.h"
#include "comic/comic.h"
#include "imaging/page.h"
#include "request/child.h"
#include "request/costs.h"
#include "request/intent.h"
#include "request/job_desk.h"
#include "request/stage.h"

enum { PREVIEW_MAX = 48 << 10 };

struct story {
    struct request *req;
    struct comic *comic;
    struct comic_host host;
    char made_by[DIGEST_HEX + 1];
    const char *ran_on; /* of what was drawn last */
    bool degraded, billed;
    unsigned hold;          /* journal_hold of when it began */
    struct comic_news news; /* the last; its preview only while it is told */
};

/* One run, while it goes on. */
struct story_run {
    struct story *story;
    struct comic_run *run;
    struct child *child;
};

/* ---- runs ---- */

static const struct feature *feature_of(enum comic_run_kind kind)
{
    return &features[kind == COMIC_WRITE ? FEATURE_COMIC_TEXT : FEATURE_COMIC_PANEL];
}

static void add_number(struct child *c, const char *name, int64_t n)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)n);
    child_add_field(c, name, text);
}

static void add_fields(struct child *c, const struct comic_run *run)
{
    child_add_field(c, "prompt", run->prompt);
    if (run->kind == COMIC_WRITE) {
        child_add_field(c, "instruction", run->beside);
        return;
    }
    child_add_field(c, "negative_prompt", run->beside);
    add_number(c, "width", run->width);
    add_number(c, "height", run->height);
    add_number(c, "seed", run->seed);
}

static void count(struct request *req, const struct story_run *r)
{
    struct story *s = r->story;
    const struct result *made = child_result(r->child);
    req->run.cost_nano += child_cost(r->child);
    req->run.saved_nano += child_saved(r->child);
    req->spent |= child_spent(r->child);
    s->billed |= child_billed(r->child);
    if (!made)
        return;
    s->degraded |= made->degraded;
    s->ran_on = arena_strdup(&req->arena, made->ran_on);
}

/* What is wrong with what we send a model is not the caller's fault. */
static void take_error(struct comic_run *run, const struct error *said)
{
    run->err = *said;
    run->err.field[0] = '\0';
    if (said->code == ERR_VALIDATION)
        run->err.code = ERR_UPSTREAM;
}

static void run_over(struct op *op)
{
    struct story_run *r = op->owner;
    struct comic_run *run = r->run;
    count(r->story->req, r);
    if (op->result == 0)
        run->bytes = blob_ref(child_blob(r->child));
    else
        take_error(run, child_error(r->child));
    child_release(r->child);
    op_complete(&run->op, op->result == 0 ? 0 : -(int)run->err.code);
}

static void cancel_run(struct op *op)
{
    struct comic_run *run = CONTAINER_OF(op, struct comic_run, op);
    const struct story_run *r = run->state;
    op_cancel(child_op(r->child));
}

static void start_run(struct comic_host *h, struct comic_run *run, op_done_fn *on_done)
{
    struct story *s = CONTAINER_OF(h, struct story, host);
    struct request *req = s->req;
    struct story_run *r = arena_alloc(&req->arena, sizeof(*r));
    *r = (struct story_run){.story = s, .run = run};
    run->state = r;
    op_begin(&run->op, req->svc->loop, on_done, cancel_run);
    r->child = child_new_part(req, feature_of(run->kind), run->name);
    add_fields(r->child, run);
    child_op(r->child)->owner = r;
    child_start(r->child, run_over);
}

static void told(struct comic_host *h, const struct comic_news *news)
{
    struct story *s = CONTAINER_OF(h, struct story, host);
    struct request *req = s->req;
    s->news = *news;
    req->run.done = news->done;
    req->run.total = news->total;
    if (req->client && req->client->progress)
        req->client->progress(req, news->done, news->total);
    s->news.preview = NULL;
    s->news.page = s->news.panel = 0;
}

const char *story_step(const struct story *s)
{
    return s->news.step;
}

/* Another gateway may have taken the job over, and have made the same pages. */
static bool owns(struct comic_host *h)
{
    const struct story *s = CONTAINER_OF(h, struct story, host);
    const struct request *req = s->req;
    struct journal *journal = req->svc->journal;
    return !req->job || !journal || (journal_holds(journal) && journal_hold(journal) == s->hold);
}

void story_put_news(const struct story *s, struct buf *b)
{
    const struct comic_news *n = &s->news;
    if (*n->step)
        json_out_text(b, "step", n->step);
    if (n->page)
        json_out_int(b, "page", n->page);
    if (n->panel)
        json_out_int(b, "panel", n->panel);
    if (!n->preview || n->preview->size > PREVIEW_MAX)
        return;
    json_out_key(b, "thumbnail");
    buf_printf(b, "\"data:%s;base64,", image_mime(image_sniff(n->preview->data, n->preview->size)));
    int whole = base64_append(b, n->preview->data, n->preview->size);
    (void)whole; /* the buffer remembers */
    buf_puts(b, "\"");
}

/* ---- before it begins ---- */

static unsigned pages_of(const struct params *p)
{
    return (unsigned)params_int(p, "pages", 1);
}

static unsigned panels_of(const struct params *p)
{
    return (unsigned)params_int(p, "panels_per_page", params_int(p, "panels", 0));
}

static int64_t cost_of(const struct request *req, enum comic_run_kind kind, const struct provider *p)
{
    return costs_of_any(req->svc, feature_of(kind), p, 1);
}

static int check_budget(struct request *req, const struct provider *writer, const struct provider *drawer)
{
    const struct params *p = &req->validate.params;
    const struct budget_who who = {req->feature->class, req->tenant};
    unsigned pages = pages_of(p);
    int64_t nano = (pages > 1 ? pages + 1 : 1) * cost_of(req, COMIC_WRITE, writer) +
                   (int64_t)pages * panels_of(p) * cost_of(req, COMIC_DRAW, drawer);
    return req->svc->budgets ? budget_look(req->svc->budgets, &who, nano, &req->err) : 0;
}

int story_check(struct request *req)
{
    struct provider *provider[2];
    if (page_fonts_check(&req->err) < 0)
        return -(int)req->err.code; /* before anything is paid for */
    if (req->job && req->svc->desk->has_parts(req->job))
        return 0; /* it was begun by an earlier process; each part that is left looks for itself */
    for (int kind = COMIC_WRITE; kind <= COMIC_DRAW; kind++) {
        struct error e = {0};
        provider[kind] = queue_provider(req->svc, feature_of((enum comic_run_kind)kind), &e);
        if (provider[kind])
            continue;
        if (e.retry_after_s > 0) {
            req->err = e;
            return -(int)e.code;
        }
        return error_set(
            &req->err, ERR_PROVIDER_UNAVAILABLE,
            "Stories need models that write and draw: set REPLICATE_API_TOKEN (with replicate among "
            "PROVIDERS), or servers for comicText and comicPanel in COG_ENDPOINTS. "
            "/api/comic/from-photos works without");
    }
    return check_budget(req, provider[COMIC_WRITE], provider[COMIC_DRAW]);
}

/* ---- the whole ---- */

static void set_format(const char *word, struct comic_ask *ask)
{
    ask->bound = strcmp(word, "png") != 0;
    ask->format = strcmp(word, "cbz") == 0 ? BOOK_CBZ : BOOK_PDF;
}

/* The same for a job whenever it is made; a request is made once. */
static void set_identity(struct story *s, struct comic_ask *ask)
{
    const struct request *req = s->req;
    const char *seed = params_text(&req->validate.params, "seed");
    char once[UUID_TEXT];
    uint8_t sum[DIGEST_BYTES];
    uuid_make(once);
    const char *id = req->job ? req->svc->desk->id(req->job) : once;
    digest_of(id, strlen(id), sum);
    hex_encode(sum, sizeof(sum), s->made_by);
    ask->made_by = s->made_by;
    ask->seed = *seed ? params_int(&req->validate.params, "seed", 0)
                      : (int64_t)(sum[0] | sum[1] << 8 | sum[2] << 16) & INT32_MAX;
}

static struct comic *make_comic(struct story *s)
{
    const struct request *req = s->req;
    const struct services *svc = req->svc;
    const struct params *p = &req->validate.params;
    const struct comic_config config = {
        .loop = svc->loop,
        .imaging = svc->imaging,
        .store = svc->store,
        .names = svc->comic_names,
        .store_limit_ms = stage_time_ms(svc->opt->store_timeout_ms),
        .partial = svc->opt->comic_partial,
    };
    struct comic_ask ask = {
        .story = {.prompt = params_text(p, "prompt"),
                  .language = params_text(p, "language"),
                  .style = params_text(p, "style"),
                  .pages = pages_of(p),
                  .panels = panels_of(p)},
        .cover = params_bool(p, "cover"),
    };
    set_format(params_text(p, "format"), &ask);
    set_identity(s, &ask);
    return comic_new(&config, &ask, &s->host);
}

struct op *story_start(struct request *req, op_done_fn *on_done)
{
    struct story *s = NEW(struct story);
    s->req = req;
    s->host = (struct comic_host){.start = start_run, .told = told, .owns = owns};
    s->hold = req->svc->journal ? journal_hold(req->svc->journal) : 0;
    s->comic = make_comic(s);
    req->run.story = s;
    comic_start(s->comic, on_done);
    return comic_op(s->comic);
}

int story_result(struct request *req)
{
    const struct comic *c = req->run.story->comic;
    int r = comic_op((struct comic *)c)->result;
    if (r < 0 && !req->cancelled)
        req->err = *comic_error(c);
    return r;
}

void story_fill(const struct request *req, struct result *r)
{
    const struct story *s = req->run.story;
    const struct comic_output *out;
    r->output_count = comic_outputs(s->comic, &out);
    for (unsigned i = 0; i < r->output_count; i++) {
        r->output[i].key = mem_strdup(out[i].key);
        r->output[i].content_type = mem_strdup(out[i].content_type);
        r->output[i].bytes = out[i].bytes;
        r->output[i].width = out[i].width;
        r->output[i].height = out[i].height;
    }
    r->model = mem_strdup(features[FEATURE_COMIC_PANEL].model);
    r->ran_on = mem_strdup(s->ran_on ? s->ran_on : "");
    r->degraded = s->degraded || comic_is_degraded(s->comic);
    r->detail = mem_strdup(comic_detail(s->comic));
}

bool story_is_billed(const struct story *s)
{
    return s && s->billed;
}

void story_free(struct story *s)
{
    if (!s)
        return;
    comic_free(s->comic);
    free(s);
}
