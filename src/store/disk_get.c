/* Reading from the disk: a lane thread opens the file and reads it whole. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/disk.h"

enum { READ_BLOCK = 1 << 20 }; /* between two looks at `cancelled` */

struct disk_get {
    struct lane_job job;
    struct disk *disk;
    struct store_get *get;
};

/* Reads size bytes; a file that has become shorter is an error, one that has grown is cut. 0 or -errno. */
static int read_whole(int fd, uint8_t *to, size_t size, const atomic_bool *cancelled)
{
    for (size_t at = 0; at < size;) {
        if (atomic_load_explicit(cancelled, memory_order_relaxed))
            return -ECANCELED;
        ssize_t n = pread(fd, to + at, MIN(size - at, (size_t)READ_BLOCK), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += (size_t)n;
    }
    return 0;
}

static int fail(struct store_get *g, int r)
{
    if (disk_means_absent(r))
        return error_set(&g->err, ERR_NOT_FOUND, "There is no such object");
    return r == -ECANCELED ? -ERR_CLIENT_GONE : disk_error(&g->err, r, "read the stored object");
}

static int run_get(struct lane_job *job)
{
    struct disk_get *w = CONTAINER_OF(job, struct disk_get, job);
    struct store_get *g = w->get;
    struct store_info info;
    CLOSE_ON_EXIT int fd = disk_open_object(w->disk->root_fd, g->name, &info);
    if (fd < 0)
        return fail(g, fd);
    if (!g->head && info.size > g->max_bytes)
        return error_set(&g->err, ERR_PAYLOAD_TOO_LARGE, "The stored object is too large");
    if (!g->head) {
        FREE_ON_EXIT uint8_t *data = mem_alloc(info.size ? info.size : 1);
        int r = read_whole(fd, data, info.size, &job->cancelled);
        if (r < 0)
            return fail(g, r);
        g->body = blob_take(TAKE(data), info.size, free);
    }
    g->info = info;
    return 0;
}

static void on_read(struct op *op)
{
    struct disk_get *w = CONTAINER_OF(op, struct disk_get, job.op);
    struct store_get *g = w->get;
    int r = op->result;
    if (r == -ERR_CLIENT_GONE)
        error_set(&g->err, ERR_CLIENT_GONE, "Reading the object was cancelled");
    w->disk->running--;
    g->driver_state = NULL;
    free(w);
    op_complete(&g->op, r);
}

static void cancel_get(struct op *op)
{
    struct store_get *g = CONTAINER_OF(op, struct store_get, op);
    struct disk_get *w = g->driver_state;
    op_cancel(&w->job.op);
}

void disk_get(struct store *s, struct store_get *g)
{
    struct disk_get *w = NEW(struct disk_get);
    w->disk = disk_of(s);
    w->get = g;
    if (lane_submit(w->disk->lane, &w->job, run_get, on_read) < 0) {
        free(w);
        store_refuse(&g->refusal, &g->op, &g->err, ERR_QUEUE_FULL, "Too many objects are waiting to be read");
        return;
    }
    w->disk->running++;
    g->driver_state = w;
    g->op.cancel = cancel_get;
}
