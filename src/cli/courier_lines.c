#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/courier_parts.h"
#include "cli/text.h"

static void nothing(const struct courier_picture *p)
{
    (void)p; /* the bar tells it */
}

static void put_size(const struct courier *r, struct courier_size size)
{
    fprintf(r->lines, "%u%s%u", size.width, r->utf8 ? "×" : "x", size.height);
}

/* "  600×400 → 1200×800", as far as it is known; of a book its pages */
static void tell_sizes(const struct courier *r, struct courier_size from, struct courier_size to,
                       unsigned pages)
{
    fputs("  ", r->lines);
    if (from.width) {
        put_size(r, from);
        fputs(r->utf8 ? " → " : " -> ", r->lines);
    }
    if (to.width)
        put_size(r, to);
    else if (pages)
        fprintf(r->lines, "%u page%s", pages, pages == 1 ? "" : "s");
    else
        fputs("done", r->lines);
}

static void tell_completed(const struct courier_picture *p)
{
    const struct courier *r = courier_of(p);
    const json_t *said = json_object_get(json_object_get(p->result, "meta"), "model");
    const char *model = json_string_value(json_is_object(said) ? json_object_get(said, "image") : said);
    if (r->config->args->quiet)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        FREE_ON_EXIT char *path = out_path(&p->aim, i + 1), *shown = out_shown(path, r->utf8);
        FREE_ON_EXIT char *ran = text_clean(model ? model : "", r->utf8);
        fputs(shown, r->lines);
        tell_sizes(r, p->original, p->size[i], p->pages);
        fprintf(r->lines, "  %s", ran);
        if (i + 1 == p->count) /* of all */
            fprintf(r->lines, "  %.1f s", errand_seconds(p->errand));
        fputc('\n', r->lines);
    }
    fflush(r->lines);
}

static void tell_skipped(const struct courier_picture *p)
{
    const struct courier *r = courier_of(p);
    if (r->config->args->quiet)
        return;
    FREE_ON_EXIT char *places = out_shown_all(&p->aim, r->utf8);
    fprintf(r->lines, "%s  is there already, skipped (-f does it again)\n", places);
    fflush(r->lines);
}

static void tell_failed(const struct courier_picture *p, const char *code, const char *why)
{
    (void)code;
    fprintf(stderr, "limner: %s: %s\n", p->errand->name, why);
}

static void tell_end(const struct courier *r)
{
    char clock[16];
    const struct errands *all = &r->errands;
    size_t count = all->config.count;
    text_clock((double)(loop_now_ns(all->loop) - all->begun_ns) / 1e9, clock, sizeof(clock));
    if (all->interrupted)
        fprintf(stderr,
                "limner: interrupted; %zu of %zu done. The gateway goes on with what it has begun, and the "
                "same command picks that up\n",
                r->completed + r->skipped, count);
    else if (!r->config->args->quiet && count > 1)
        fprintf(r->lines, "%zu pictures: %zu done, %zu skipped, %zu failed, in %s\n", count, r->completed,
                r->skipped, r->failed, clock);
    fflush(r->lines);
}

const struct courier_voice courier_lines = {
    .submitted = nothing,
    .progress = nothing,
    .completed = tell_completed,
    .skipped = tell_skipped,
    .failed = tell_failed,
    .end = tell_end,
};
