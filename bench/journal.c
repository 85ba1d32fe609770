/* journal.c: what the journal costs: inserts and intents through the loop with many under way, reading what
 * is open after a start.
 *
 *     bench-journal FOLDER [disk] [URL]
 *
 * FOLDER is new or empty, on the disk that is to be measured; URL is of PostgreSQL, else SQLite. Prints JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "journal/journal.h"
#include "loop/lane.h"
#include "loop/loop_uv.h"

enum { IN_FLIGHT = 256, SECONDS = 3, OPEN_ROWS = 10000 };

struct bench;

struct writer {
    struct bench *b;
    struct journal_write w;
    struct journal_row row;
    char id[UUID_TEXT];
    uint64_t start_ns;
    bool intent; /* under way; else the insert is */
};

struct bench {
    struct loop_uv *uv;
    struct journal_config config;
    struct journal *j;
    struct writer writer[IN_FLIGHT];
    uint64_t until_ns;
    unsigned running, done, found;
    unsigned limit; /* no further one after so many; 0: none */
    uint32_t *took_us;
    bool alone; /* inserts only */
};

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "bench-journal: %s\n", why);
    exit(1);
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_done(struct op *op);

static void insert_next(struct writer *w)
{
    uuid_make(w->id);
    w->row = (struct journal_row){.id = w->id,
                                  .kind = JOURNAL_JOB,
                                  .tenant = "mobile",
                                  .feature = "clarity",
                                  .request =
                                      "{\"feature\":\"clarity\",\"digest\":\"0123456789abcdef0123456789"
                                      "abcdef0123456789abcdef0123456789abcdef\",\"params\":{\"scale\":\"2\","
                                      "\"face_enhance\":\"false\"},\"format\":\"jpeg\"}",
                                  .callback_url = "https://app.example/hooks/limner",
                                  .idempotency_key = w->id,
                                  .created_ms = (int64_t)clock_wall_ms()};
    w->start_ns = clock_mono_ns();
    w->intent = false;
    journal_insert(w->b->j, &w->w, &w->row, on_done);
}

static void on_done(struct op *op)
{
    struct writer *w = op->owner;
    struct bench *b = w->b;
    if (op->result < 0)
        fail("a write has failed");
    if (!w->intent && !b->alone) { /* the life of a run that costs money */
        w->row.provider = "replicate";
        w->row.intent_ms = (int64_t)clock_wall_ms();
        w->intent = true;
        journal_intent(b->j, &w->w, &w->row, on_done);
        return;
    }
    if (!b->alone) {
        journal_note_run(b->j, w->id, "abcdefghjkmnpqrstvwxyz0123", NULL);
        journal_note_state(b->j, w->id, JOURNAL_COMPLETED, 2500000, "{\"outputs\":[{\"key\":\"a/b.jpg\"}]}",
                           NULL);
    }
    b->took_us[b->done % 1000000] = (uint32_t)((clock_mono_ns() - w->start_ns) / 1000);
    b->done++;
    if (clock_mono_ns() < b->until_ns && (!b->limit || b->done + b->running <= b->limit))
        insert_next(w);
    else if (--b->running == 0)
        loop_uv_stop(b->uv);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void run(struct bench *b, const char *name, bool alone, unsigned seconds, unsigned limit)
{
    double cpu = cpu_s();
    uint64_t start = clock_mono_ns();
    b->alone = alone;
    b->until_ns = start + seconds * NS_PER_S;
    b->limit = limit;
    b->done = 0;
    b->running = IN_FLIGHT;
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        b->writer[i].b = b;
        b->writer[i].w.op.owner = &b->writer[i];
        insert_next(&b->writer[i]);
    }
    loop_uv_run(b->uv);
    double s = (double)(clock_mono_ns() - start) / 1e9;
    unsigned kept = MIN(b->done, 1000000u);
    qsort(b->took_us, kept, sizeof(uint32_t), by_size);
    printf("\"%s\":{\"count\":%u,\"per_s\":%.0f,\"cpu_us_each\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f},\n",
           name, b->done, b->done / s, (cpu_s() - cpu) / b->done * 1e6, b->took_us[kept / 2] / 1e3,
           b->took_us[kept * 99 / 100] / 1e3);
}

static void look(struct timer *t);
static struct bench *ending;

static void end_when_quiet(struct bench *b)
{
    static struct timer timer;
    ending = b;
    timer_arm(loop_uv_loop(b->uv), &timer, clock_mono_ns() + NS_PER_MS, look);
}

static void look(struct timer *t)
{
    (void)t;
    if (journal_busy(ending->j))
        end_when_quiet(ending);
    else
        loop_uv_stop(ending->uv);
}

static void reopen(struct bench *b)
{
    struct error e;
    if (b->j) {
        journal_stop(b->j);
        end_when_quiet(b);
        loop_uv_run(b->uv);
        journal_free(TAKE(b->j));
    }
    if (journal_new(&b->config, &b->j, &e) < 0)
        fail(e.reason);
}

static void on_found(void *ctx, const struct journal_row *row)
{
    struct bench *b = ctx;
    (void)row;
    b->found++;
}

static void on_started(void *ctx)
{
    struct bench *b = ctx;
    loop_uv_stop(b->uv);
}

int main(int argc, char **argv)
{
    struct bench *b = NEW(struct bench);
    if (argc < 2)
        fail("usage: bench-journal FOLDER [disk] [URL]");
    bool disk = argc > 2 && strcmp(argv[2], "disk") == 0;
    const char *url = argc > 2 + disk ? argv[2 + disk] : "";
    FREE_ON_EXIT char *path = mem_printf("%s/limner.db", argv[1]);
    b->uv = loop_uv_new();
    b->took_us = mem_zalloc(1000000 * sizeof(uint32_t));
    struct lane *lane = lane_new(&(struct lane_config){"journal", 1, 1, NULL}, loop_uv_loop(b->uv));
    b->config = (struct journal_config){.loop = loop_uv_loop(b->uv),
                                        .lane = lane,
                                        .url = url,
                                        .path = path,
                                        .owner = "bench",
                                        .timeout_ms = 5000,
                                        .to_disk = disk,
                                        .keep_h = 24,
                                        .owner_s = 30,
                                        .found = on_found,
                                        .started = on_started,
                                        .ctx = b};
    reopen(b);
    printf("{\"sync\":\"%s\",\"database\":\"%s\",\"in_flight\":%d,\n", disk ? "disk" : "process",
           *url ? "postgres" : "sqlite", IN_FLIGHT);
    run(b, "whole_lives", false, SECONDS, 0);
    run(b, "inserts", true, SECONDS, OPEN_ROWS);
    reopen(b);
    uint64_t start = clock_mono_ns();
    journal_start(b->j);
    loop_uv_run(b->uv);
    printf("\"restart\":{\"open\":%u,\"ms\":%.0f},\n", b->found, (double)(clock_mono_ns() - start) / 1e6);
    run(b, "inserts_longer", true, SECONDS, 0);
    reopen(b);
    journal_stop(b->j);
    end_when_quiet(b);
    loop_uv_run(b->uv);
    journal_free(b->j);
    lane_free(lane);
    loop_uv_free(b->uv);
    free(b->took_us);
    free(b);
    puts("\"end\":0}");
    return 0;
}
