/* Happy path: the put is a job of a lane of its own, which writes, syncs and renames; the loop stays free for
 * signals and for the bar. Failure modes: what fails before the rename removes the hidden file; a cancelled
 * write stops at its next block. Invariant: one put at a time; its hidden file's name is known to the core
 * before the job begins, so that out_store_abandon can remove it. */
#include "cli/out_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/lane.h"
#include "store/file.h"

enum { FILE_BLOCK = 1 << 20, STREAM_BLOCK = PIPE_BUF, STREAM_WAIT_MS = 100 };

struct out_store {
    struct store store;
    struct lane *lane;
    struct out_aim aim;
    struct lane_job job;
    struct store_put *put; /* NULL: none runs */
    char *place;           /* the aim's path, through links; NULL: a stream */
    char *temp;            /* the hidden file beside it */
};

static struct out_store *self_of(struct store *s)
{
    return CONTAINER_OF(s, struct out_store, store);
}

/* ---- the bytes ---- */

/* JPEG has no transparency: the picture is put on white. */
static void flatten(struct pixels *p)
{
    if (p->bands != 4)
        return;
    size_t count = (size_t)p->width * p->height;
    for (size_t i = 0; i < count; i++) {
        unsigned alpha = p->data[4 * i + 3];
        for (size_t band = 0; band < 3; band++)
            p->data[3 * i + band] =
                (uint8_t)((p->data[4 * i + band] * alpha + 255u * (255u - alpha) + 127u) / 255u);
    }
    p->bands = 3;
}

static int convert(const struct blob *from, const struct out_aim *aim, struct blob **ret, struct error *e)
{
    const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    struct image_info info;
    struct pixels pixels = {0};
    int r = image_probe(from, &any, &info, e);
    if (r == 0)
        r = image_decode(from, &info, &pixels, e);
    if (r < 0)
        return r;
    if (aim->type == IMAGE_JPEG)
        flatten(&pixels);
    r = image_encode(&pixels, aim->type, aim->quality, ret, e);
    pixels_release(&pixels);
    return r;
}

/* ---- writing, on the lane thread ---- */

static bool is_cancelled(const struct lane_job *job)
{
    return atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}

/* Blocks of a size that a ready pipe takes whole, so that a reader who does not read cannot hold us. */
static int write_stream(int fd, const struct blob *b, const struct lane_job *job)
{
    size_t at = 0;
    while (at < b->size) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int n = poll(&ready, 1, STREAM_WAIT_MS);
        if (is_cancelled(job))
            return -ECANCELED;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        ssize_t done = write(fd, b->data + at, MIN(b->size - at, (size_t)STREAM_BLOCK));
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        at += (size_t)MAX(done, 0);
    }
    return 0;
}

static int write_temp(const struct out_store *s, const struct blob *b)
{
    CLOSE_ON_EXIT int fd = open(s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < b->size; at += FILE_BLOCK) {
        if (is_cancelled(&s->job))
            return -ECANCELED;
        int r = file_write(fd, b->data + at, MIN(b->size - at, (size_t)FILE_BLOCK), at);
        if (r < 0)
            return r;
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int make_folder_of(const char *path)
{
    FREE_ON_EXIT char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_folders(folder);
}

static int write_file(const struct out_store *s, const struct blob *b)
{
    int r = make_folder_of(s->place);
    if (r == 0)
        r = write_temp(s, b);
    if (r == 0 && rename(s->temp, s->place) < 0)
        r = -errno;
    if (r < 0)
        unlink(s->temp);
    return r;
}

static int write_out(struct out_store *s, const struct blob *b)
{
    if (s->place)
        return write_file(s, b);
    if (strcmp(s->aim.path, "-") == 0)
        return write_stream(STDOUT_FILENO, b, &s->job);
    CLOSE_ON_EXIT int fd = open(s->aim.path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_stream(fd, b, &s->job);
}

static int run_put(struct lane_job *job)
{
    struct out_store *s = CONTAINER_OF(job, struct out_store, job);
    struct store_put *p = s->put;
    BLOB_ON_EXIT struct blob *b = NULL;
    int r = 0;
    if (image_sniff(p->body->data, p->body->size) == s->aim.type)
        b = blob_ref(p->body);
    else
        r = convert(p->body, &s->aim, &b, &p->err);
    if (r < 0)
        return r;
    r = write_out(s, b);
    if (r == 0)
        return 0;
    if (r == -ECANCELED)
        return error_set(&p->err, ERR_CLIENT_GONE, "Writing the result was cancelled");
    FREE_ON_EXIT char *what =
        mem_printf("write %.180s", strcmp(s->aim.path, "-") ? s->aim.path : "to standard output");
    return file_error(&p->err, r, what);
}

/* ---- the contract, on the core thread ---- */

static void on_written(struct op *op)
{
    struct out_store *s = CONTAINER_OF(op, struct out_store, job.op);
    struct store_put *p = TAKE(s->put);
    free(TAKE(s->temp));
    if (op->result < 0 && p->err.code == ERR_NONE) /* cancelled before it began */
        error_set(&p->err, ERR_CLIENT_GONE, "Writing the result was cancelled");
    op_complete(&p->op, op->result);
}

static void cancel_put(struct op *op)
{
    struct store_put *p = CONTAINER_OF(op, struct store_put, op);
    struct out_store *s = p->driver_state;
    op_cancel(&s->job.op);
}

/* Where the bytes really go; NULL: not a file, but what takes a stream. */
static char *find_place(const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return NULL;
    if (stat(path, &st) < 0)
        return mem_strdup(path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return NULL;
    char *real = realpath(path, NULL);
    return real ? real : mem_strdup(path);
}

static void out_put(struct store *store, struct store_put *p)
{
    struct out_store *s = self_of(store);
    CHECK(s->lane && s->aim.path && !s->put);
    free(s->place);
    s->place = find_place(s->aim.path);
    if (s->place) {
        char id[UUID_TEXT];
        uuid_make(id);
        const char *slash = strrchr(s->place, '/');
        int folder = slash ? (int)(slash + 1 - s->place) : 0;
        s->temp = mem_printf("%.*s.limner-%s", folder, s->place, id);
    }
    s->put = p;
    s->job = (struct lane_job){0};
    p->driver_state = s;
    p->op.cancel = cancel_put;
    CHECK(lane_submit(s->lane, &s->job, run_put, on_written) == 0); /* one at a time: there is room */
}

/* Keys are the pipeline's; the only object is what was put last. */
static int out_remove(struct store *store, const char *key)
{
    struct out_store *s = self_of(store);
    return s->place && unlink(s->place) == 0 ? 0 : -ERR_NOT_FOUND;
}

static int out_check(struct store *store, struct error *e)
{
    return 0; /* inputs.c has looked at the place before anything began */
}

static void out_free(struct store *store)
{
    struct out_store *s = self_of(store);
    CHECK(!s->put);
    lane_free(s->lane);
    free(s->place);
    free(s);
}

static const struct store_ops out_ops = {
    .name = "out",
    .put = out_put,
    .remove = out_remove,
    .check = out_check,
    .free = out_free,
};

struct store *out_store_new(void)
{
    struct out_store *s = NEW(struct out_store);
    s->store.ops = &out_ops;
    return &s->store;
}

void out_store_begin(struct store *store, struct loop *loop)
{
    struct out_store *s = self_of(store);
    store->loop = loop;
    s->lane = lane_new(&(struct lane_config){"out", 1, 1, imaging_thread_stop}, loop);
}

void out_store_aim(struct store *store, const struct out_aim *aim)
{
    self_of(store)->aim = *aim;
}

void out_store_abandon(struct store *store)
{
    struct out_store *s = self_of(store);
    atomic_store(&s->job.cancelled, true);
    if (s->temp)
        unlink(s->temp);
}
