#include "app_jobs.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/server/http.h"
#include "store/keyfile.h"

enum { OWNER_BYTES = 8, LANE_QUEUE_MAX = 16 };

static void tell(void *ctx, bool bad, const char *what)
{
    (void)ctx;
    LOG(bad ? LOG_WARN : LOG_INFO, "journal", F_STR("what", what));
}

static void found(void *ctx, const struct journal_row *row)
{
    struct app_jobs *a = ctx;
    jobs_found(a->jobs, row);
}

static void started(void *ctx)
{
    struct app_jobs *a = ctx;
    jobs_started(a->jobs);
}

static void taken(void *ctx)
{
    struct app_jobs *a = ctx;
    jobs_taken(a->jobs);
}

static void noted(void *ctx, const char *id, bool over)
{
    struct app_jobs *a = ctx;
    jobs_written(a->jobs, id, over);
}

/* The folder's: a gateway that is started again is the same one. */
static int owner_of(const struct options *opt, char ret[static 2 * OWNER_BYTES + 1], struct error *e)
{
    uint8_t bytes[DIGEST_BYTES];
    int r = keyfile_load(opt->data_dir, "gateway-id", "jobs that are under way are then another gateway's",
                         bytes, e);
    if (r == 0)
        hex_encode(bytes, OWNER_BYTES, ret);
    return r;
}

int app_make_jobs(struct services *svc, struct lane *disk, struct app_jobs *ret, struct error *e)
{
    const struct options *opt = svc->opt;
    char owner[2 * OWNER_BYTES + 1];
    ret->svc = svc;
    int r = owner_of(opt, owner, e);
    if (r < 0)
        return r;
    ret->lane = lane_new(&(struct lane_config){"journal", 1, LANE_QUEUE_MAX, NULL}, svc->loop);
    FREE_ON_EXIT char *path = mem_printf("%s/limner.db", opt->data_dir);
    const struct journal_config config = {
        .loop = svc->loop,
        .lane = ret->lane,
        .url = opt->database_url,
        .path = path,
        .owner = owner,
        .timeout_ms = (unsigned)opt->db_timeout_ms,
        .to_disk = opt->journal_sync == JOURNAL_SYNC_DISK,
        .keep_h = (unsigned)opt->jobs_keep_h,
        .owner_s = (unsigned)opt->job_owner_s,
        .found = found,
        .started = started,
        .taken = taken,
        .noted = noted,
        .tell = tell,
        .ctx = ret,
    };
    r = journal_new(&config, &svc->journal, e);
    if (r == 0)
        r = jobs_new(&(struct jobs_config){svc, disk, owner}, &ret->jobs, e);
    if (r == 0)
        svc->desk = jobs_desk(ret->jobs);
    return r;
}

void app_jobs_start(struct app_jobs *a, bool alone)
{
    if (!a->jobs)
        return;
    jobs_share(a->jobs, !alone);
    journal_start(a->svc->journal);
}

void app_jobs_share(struct app_jobs *a)
{
    if (a->jobs)
        jobs_share(a->jobs, true);
}

void app_jobs_leave(struct app_jobs *a)
{
    app_jobs_share(a);
    app_jobs_stop(a);
}

bool app_jobs_quiet(const struct app_jobs *a)
{
    return !a->jobs || (!journal_busy(a->svc->journal) && !journal_waits(a->svc->journal));
}

void app_jobs_stop(struct app_jobs *a)
{
    if (a->jobs && !a->stopped)
        jobs_stop(a->jobs);
    a->stopped = true;
}

unsigned app_jobs_left(const struct app_jobs *a)
{
    return a->jobs ? jobs_left(a->jobs) : 0;
}

bool app_jobs_busy(const struct app_jobs *a)
{
    return a->jobs && jobs_busy(a->jobs);
}

bool app_jobs_cut_readers(struct app_jobs *a, struct http *http)
{
    if (!a->jobs || !jobs_has_readers(a->jobs))
        return false;
    http_cut_streams(http);
    return true;
}

bool app_jobs_written(struct app_jobs *a)
{
    if (!a->jobs)
        return true;
    journal_stop(a->svc->journal);
    return !journal_busy(a->svc->journal);
}

void app_jobs_tick(struct app_jobs *a)
{
    if (a->jobs)
        jobs_tick(a->jobs);
}

void app_jobs_cut(struct app_jobs *a)
{
    if (a->jobs)
        jobs_cut(a->jobs);
}

void app_jobs_free(struct app_jobs *a)
{
    jobs_free(TAKE(a->jobs));
    if (a->svc)
        journal_free(TAKE(a->svc->journal));
}
