/* history.c: what history costs: a request's addition, a batch, a day on the disk, a question about a month.
 *
 *     bench-history FOLDER [FEATURES]
 *
 * FOLDER is new or empty; a database of about 100 MB is made there. The day has 20 requests of each feature
 * in each ten seconds, all of three outcomes; the month 1,000 an hour. Prints JSON. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "history/batch.h"
#include "history/read.h"
#include "history/tally.h"
#include "history/writer.h"

enum { ADDS = 5000000, THREADS_MAX = 2, DAY_BATCHES = 8640, MONTH_HOURS = 720, ASKED = 9, OUTCOMES = 3 };

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "bench-history: %s\n", why);
    exit(1);
}

/* ---- a request's addition ---- */

static void *add_many(void *tally)
{
    const struct history_sample hit = {
        .feature = &features[0], .provider = "local", .outcome = HISTORY_HIT, .total_ns = 30000};
    for (unsigned i = 0; i < ADDS; i++)
        tally_add(tally, &hit);
    return NULL;
}

static double ns_an_add(struct tally *t, unsigned threads)
{
    pthread_t thread[THREADS_MAX];
    uint64_t start = clock_mono_ns();
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, add_many, t) != 0)
            fail("no thread");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return (double)(clock_mono_ns() - start) / ADDS;
}

/* ---- a database with something in it ---- */

struct filled {
    const char *folder;
    unsigned features;
    struct options opt;
    struct db *db;
    struct writer writer;
    struct tally *tally;
    struct rng rng;
    uint64_t batches, batch_bytes, apply_ns;
};

static void add_some(struct filled *f, unsigned each)
{
    static const enum history_outcome outcomes[OUTCOMES] = {HISTORY_RUN, HISTORY_HIT, HISTORY_REFUSED};
    for (unsigned k = 0; k < f->features; k++) {
        for (unsigned i = 0; i < each; i++) {
            uint64_t run_ns = (uint64_t)(8e8 * exp(1.2 * (rng_unit(&f->rng) + rng_unit(&f->rng))));
            uint64_t ours_ns = (uint64_t)(2e6 * exp(2 * rng_unit(&f->rng)));
            enum history_outcome o = outcomes[i % OUTCOMES];
            tally_add(f->tally,
                      &(struct history_sample){.feature = &features[k],
                                               .provider = "local",
                                               .outcome = o,
                                               .total_ns = o == HISTORY_RUN ? run_ns + ours_ns : ours_ns / 20,
                                               .provider_ns = o == HISTORY_RUN ? run_ns : 0});
        }
    }
}

static void write_batch(struct filled *f, int64_t at)
{
    struct error e;
    BUF_ON_EXIT struct buf bytes;
    struct batch_head head = {.source = "bench", .number = ++f->batches, .at = at};
    buf_init(&bytes, BATCH_MAX);
    batch_begin(&bytes, &head);
    tally_drain(f->tally, &bytes);
    f->batch_bytes += bytes.len;
    BLOB_ON_EXIT struct blob *batch = buf_take_blob(&bytes);
    uint64_t start = clock_mono_ns();
    spill_append(f->writer.spill, batch);
    if (writer_apply(&f->writer, 60000, NULL, &e) < 0)
        fail(e.reason);
    f->apply_ns += clock_mono_ns() - start;
}

static double megabytes(const struct filled *f)
{
    static const char *const files[] = {"limner.db", "limner.db-wal"};
    double bytes = 0;
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        FREE_ON_EXIT char *path = mem_printf("%s/%s", f->folder, files[i]);
        struct stat st;
        if (stat(path, &st) == 0)
            bytes += (double)st.st_size;
    }
    return bytes / 1e6;
}

static void open_filled(struct filled *f)
{
    static const char *const providers[] = {"local"};
    struct error e;
    FREE_ON_EXIT char *path = mem_printf("%s/limner.db", f->folder);
    f->opt = (struct options){.history_keep_10s_h = 2,
                              .history_keep_1m_d = 7,
                              .history_keep_1h_d = 400,
                              .history_points_max = 1500};
    if (db_new(&(struct db_config){.url = "", .path = path, .timeout_ms = 5000}, &f->db, &e) < 0 ||
        db_connect(f->db, &e) < 0)
        fail(e.reason);
    f->tally = tally_new(providers, ARRAY_LEN(providers));
    f->writer = (struct writer){.opt = &f->opt, .db = f->db, .sketch = NEW(struct sketch)};
    f->writer.spill = spill_open(f->folder, "spill", 1 << 24);
    sketch_init(f->writer.sketch);
    rng_seed(&f->rng, 1);
}

/* ---- questions ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct asked {
    double ms, cpu_ms, kb; /* medians; of the answer */
};

static struct asked ask(struct filled *f, const char *feature, int64_t from, unsigned step_s)
{
    double ms[ASKED], cpu[ASKED], kb = 0;
    struct history_query q = {.from = from,
                              .to = clock_wall_s(),
                              .step_s = step_s,
                              .quantiles = 3,
                              .quantile = {0.5, 0.95, 0.99},
                              .quantile_name = {"50", "95", "99"}};
    snprintf(q.feature, sizeof(q.feature), "%s", feature);
    for (unsigned i = 0; i < ASKED; i++) {
        struct error e;
        atomic_bool stop = false;
        BUF_ON_EXIT struct buf out;
        buf_init(&out, 64 << 20);
        uint64_t start = clock_mono_ns();
        double cpu_start = cpu_ms();
        if (history_plan(&f->opt, clock_wall_s(), &q, &e) < 0 || history_read(f->db, &q, &stop, &out, &e) < 0)
            fail(e.reason);
        ms[i] = (double)(clock_mono_ns() - start) / NS_PER_MS;
        cpu[i] = cpu_ms() - cpu_start;
        kb = (double)out.len / 1e3;
    }
    qsort(ms, ASKED, sizeof(ms[0]), by_size);
    qsort(cpu, ASKED, sizeof(cpu[0]), by_size);
    return (struct asked){ms[ASKED / 2], cpu[ASKED / 2], kb};
}

int main(int argc, char **argv)
{
    if (argc < 2)
        fail("FOLDER [FEATURES]");
    struct filled f = {.folder = argv[1], .features = argc > 2 ? (unsigned)atoi(argv[2]) : FEATURE_COUNT};
    f.features = MIN(f.features, (unsigned)FEATURE_COUNT);
    open_filled(&f);
    double one = ns_an_add(f.tally, 1), two = ns_an_add(f.tally, 2);
    tally_free(f.tally);
    f.tally = tally_new((const char *const[]){"local"}, 1);
    int64_t now = clock_wall_s();
    for (unsigned i = 0; i < MONTH_HOURS; i++) {
        add_some(&f, 1000);
        write_batch(&f, now - now % 3600 - 3600 * (int64_t)(MONTH_HOURS - i));
    }
    double month_mb = megabytes(&f);
    struct asked month = ask(&f, "", now - 30 * 86400, 3600);
    struct asked month_one = ask(&f, features[0].name, now - 30 * 86400, 3600);
    f.apply_ns = f.batch_bytes = 0;
    for (unsigned i = 0; i < DAY_BATCHES; i++) {
        add_some(&f, 20);
        write_batch(&f, now - now % 10 - 10 * (int64_t)(DAY_BATCHES - i));
    }
    printf("{\"features\":%u,\"add_ns\":%.1f,\"add_two_threads_ns\":%.1f,\"batch_bytes\":%" PRIu64
           ",\"apply_ms\":%.3f,\"month_mb\":%.1f,\"month_ms\":%.1f,\"month_cpu_ms\":%.1f,\"month_kb\":%.0f,"
           "\"month_one_ms\":%.1f,\"month_one_cpu_ms\":%.1f,\"day_mb\":%.1f}\n",
           f.features, one, two, f.batch_bytes / DAY_BATCHES, (double)f.apply_ns / DAY_BATCHES / NS_PER_MS,
           month_mb, month.ms, month.cpu_ms, month.kb, month_one.ms, month_one.cpu_ms,
           megabytes(&f) - month_mb);
    return 0;
}
