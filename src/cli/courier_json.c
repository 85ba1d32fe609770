/* One object a line, and each line at once: whoever reads them may wait for the next one. */
#include <stdio.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "cli/courier_parts.h"

enum { LINE_MAX_BYTES = 1 << 20 };

static void begin(struct buf *b, const char *event)
{
    buf_init(b, LINE_MAX_BYTES);
    json_out_begin(b, '{');
    json_out_text(b, "event", event);
}

static void begin_of(struct buf *b, const char *event, const struct courier_picture *p)
{
    begin(b, event);
    json_out_text(b, "input", p->input->path);
    if (*p->id)
        json_out_text(b, "job_id", p->id);
}

static void end(struct buf *b, FILE *lines)
{
    json_out_end(b, '}');
    fprintf(lines, "%s\n", buf_text(b));
    fflush(lines);
}

/* The first place, and all of them if there are several. */
static void put_places(struct buf *b, const struct out_aim *aim, unsigned count)
{
    FREE_ON_EXIT char *first = out_path(aim, 1);
    json_out_text(b, "output", first);
    if (aim->count <= 1)
        return;
    json_out_key(b, "outputs");
    json_out_begin(b, '[');
    for (unsigned n = 1; n <= count; n++) {
        FREE_ON_EXIT char *path = out_path(aim, n);
        json_out_put_text(b, path);
    }
    json_out_end(b, ']');
}

static void tell_submitted(const struct courier_picture *p)
{
    BUF_ON_EXIT struct buf b;
    begin_of(&b, "submitted", p);
    json_out_bool(&b, "replayed", p->replayed);
    end(&b, courier_of(p)->lines);
}

static void tell_progress(const struct courier_picture *p)
{
    BUF_ON_EXIT struct buf b;
    begin_of(&b, "progress", p);
    json_out_text(&b, "stage", p->stage);
    if (*p->told)
        json_out_text(&b, "step", p->told);
    if (p->percent >= 0)
        json_out_int(&b, "percent", p->percent);
    end(&b, courier_of(p)->lines);
}

static void tell_completed(const struct courier_picture *p)
{
    BUF_ON_EXIT struct buf b;
    begin_of(&b, "completed", p);
    put_places(&b, &p->aim, p->count);
    json_out_int(&b, "percent", 100);
    json_out_key(&b, "cost_usd");
    buf_printf(&b, "%.9g", p->cost_usd);
    end(&b, courier_of(p)->lines);
}

static void tell_skipped(const struct courier_picture *p)
{
    BUF_ON_EXIT struct buf b;
    begin_of(&b, "skipped", p);
    put_places(&b, &p->aim, p->aim.count);
    end(&b, courier_of(p)->lines);
}

static void tell_failed(const struct courier_picture *p, const char *code, const char *why)
{
    BUF_ON_EXIT struct buf b;
    begin_of(&b, "failed", p);
    json_out_key(&b, "error");
    json_out_begin(&b, '{');
    json_out_text(&b, "message", why);
    if (code)
        json_out_text(&b, "code", code);
    json_out_end(&b, '}');
    end(&b, courier_of(p)->lines);
}

static void tell_end(const struct courier *r)
{
    const struct errands *all = &r->errands;
    BUF_ON_EXIT struct buf b;
    begin(&b, "done");
    json_out_int(&b, "total", (int64_t)all->config.count);
    json_out_int(&b, "completed", (int64_t)r->completed);
    json_out_int(&b, "skipped", (int64_t)r->skipped);
    json_out_int(&b, "failed", (int64_t)r->failed);
    json_out_bool(&b, "interrupted", all->interrupted);
    if (all->hopeless)
        json_out_text(&b, "error", all->hopeless);
    end(&b, r->lines);
}

const struct courier_voice courier_json = {
    .submitted = tell_submitted,
    .progress = tell_progress,
    .completed = tell_completed,
    .skipped = tell_skipped,
    .failed = tell_failed,
    .end = tell_end,
};
