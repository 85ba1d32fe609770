/* Happy path: a put is a job of a lane of its own, which writes, syncs and renames; the loop stays free for
 * signals and for the bar. Failure modes: what fails before the rename removes the hidden file; a cancelled
 * write stops at its next block; when one of several results fails, its request removes the others.
 * Invariants: one write at a time, as the lane has one thread; a hidden file's name is known to the core
 * before its job begins, so that out_store_abandon can remove it; what the lane reads of a write does not
 * change while its put runs. */
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
#include "cache/cache.h"
#include "cli/inputs.h"
#include "loop/lane.h"
#include "store/file.h"

enum { FILE_BLOCK = 1 << 20, STREAM_BLOCK = PIPE_BUF, STREAM_WAIT_MS = 100 };

struct out_store {
    struct store store;
    struct lane *lane;
    struct out_aim aim;
    unsigned begun;     /* results of this aim */
    struct list writes; /* those that run, and what this aim has written */
};

struct out_write {
    struct list node; /* in the store's writes */
    struct lane_job job;
    struct store_put *put; /* NULL: it is over */
    char *key;             /* a copy of the put's */
    char *path;            /* as the user said it, with the number */
    char *place;           /* the same through links; NULL: a stream */
    char *temp;            /* the hidden file beside it */
    enum image_type type;
    int quality;
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

static int convert(const struct blob *from, const struct out_write *w, struct blob **ret, struct error *e)
{
    const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    struct image_info info;
    struct pixels pixels = {0};
    int r = image_probe(from, &any, &info, e);
    if (r == 0)
        r = image_decode(from, &info, &pixels, e);
    if (r < 0)
        return r;
    if (w->type == IMAGE_JPEG)
        flatten(&pixels);
    r = image_encode(&pixels, w->type, w->quality, ret, e);
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

static int write_temp(const struct out_write *w, const struct blob *b)
{
    CLOSE_ON_EXIT int fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < b->size; at += FILE_BLOCK) {
        if (is_cancelled(&w->job))
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

static int write_file(const struct out_write *w, const struct blob *b)
{
    int r = make_folder_of(w->place);
    if (r == 0)
        r = write_temp(w, b);
    if (r == 0 && rename(w->temp, w->place) < 0)
        r = -errno;
    if (r < 0)
        unlink(w->temp);
    return r;
}

static int write_out(const struct out_write *w, const struct blob *b)
{
    if (w->place)
        return write_file(w, b);
    if (strcmp(w->path, "-") == 0)
        return write_stream(STDOUT_FILENO, b, &w->job);
    CLOSE_ON_EXIT int fd = open(w->path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_stream(fd, b, &w->job);
}

static int run_put(struct lane_job *job)
{
    struct out_write *w = CONTAINER_OF(job, struct out_write, job);
    struct store_put *p = w->put;
    BLOB_ON_EXIT struct blob *b = NULL;
    int r = 0;
    if (image_sniff(p->body->data, p->body->size) == w->type)
        b = blob_ref(p->body);
    else
        r = convert(p->body, w, &b, &p->err);
    if (r < 0)
        return r;
    r = write_out(w, b);
    if (r == 0)
        return 0;
    if (r == -ECANCELED)
        return error_set(&p->err, ERR_CLIENT_GONE, "Writing the result was cancelled");
    FREE_ON_EXIT char *what =
        mem_printf("write %.180s", strcmp(w->path, "-") ? w->path : "to standard output");
    return file_error(&p->err, r, what);
}

/* ---- where to ---- */

char *out_path(const struct out_aim *aim, unsigned n)
{
    if (aim->count <= 1 && n == 1)
        return mem_strdup(aim->path);
    bool named = input_type_of_name(aim->path) != IMAGE_UNKNOWN;
    const char *extension = named ? strrchr(aim->path, '.') : "";
    return mem_printf("%.*s-%u%s", (int)(strlen(aim->path) - strlen(extension)), aim->path, n, extension);
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

static char *hidden_name(const char *place)
{
    char id[UUID_TEXT];
    uuid_make(id);
    const char *slash = strrchr(place, '/');
    int folder = slash ? (int)(slash + 1 - place) : 0;
    return mem_printf("%.*s.limner-%s", folder, place, id);
}

/* ---- the contract, on the core thread ---- */

static void write_free(struct out_write *w)
{
    list_remove(&w->node);
    free(w->key);
    free(w->path);
    free(w->place);
    free(w->temp);
    free(w);
}

static void on_written(struct op *op)
{
    struct out_write *w = CONTAINER_OF(op, struct out_write, job.op);
    struct store_put *p = TAKE(w->put);
    int result = op->result;
    free(TAKE(w->temp));
    if (result < 0 && p->err.code == ERR_NONE) /* cancelled before it began */
        error_set(&p->err, ERR_CLIENT_GONE, "Writing the result was cancelled");
    if (result < 0)
        write_free(w);
    op_complete(&p->op, result);
}

static void cancel_put(struct op *op)
{
    struct store_put *p = CONTAINER_OF(op, struct store_put, op);
    struct out_write *w = p->driver_state;
    op_cancel(&w->job.op);
}

static bool is_result(const struct out_store *s, const char *key)
{
    size_t len = strlen(s->aim.prefix);
    return strncmp(key, s->aim.prefix, len) == 0 && key[len] == '/';
}

static void start_write(struct out_store *s, struct store_put *p, unsigned n)
{
    struct out_write *w = NEW(struct out_write);
    w->put = p;
    w->key = mem_strdup(p->key);
    w->path = out_path(&s->aim, n);
    w->place = find_place(w->path);
    w->temp = w->place ? hidden_name(w->place) : NULL;
    w->type = s->aim.type;
    w->quality = s->aim.quality;
    list_push_back(&s->writes, &w->node);
    p->driver_state = w;
    p->op.cancel = cancel_put;
    CHECK(lane_submit(s->lane, &w->job, run_put, on_written) == 0); /* a request's results have room */
}

static void let_go(struct message *m)
{
    struct store_refusal *r = CONTAINER_OF(m, struct store_refusal, mail);
    op_complete(r->op, 0);
}

static void out_put(struct store *store, struct store_put *p)
{
    struct out_store *s = self_of(store);
    CHECK(s->lane && s->aim.path);
    if (!is_result(s, p->key)) {
        p->refusal.op = &p->op;
        loop_post(store->loop, &p->refusal.mail, let_go);
        return;
    }
    unsigned n = ++s->begun;
    FREE_ON_EXIT char *file = find_place(s->aim.path);
    if (n > 1 && !file)
        store_refuse(&p->refusal, &p->op, &p->err, ERR_INTERNAL,
                     "The model gave several pictures, and only a file or a folder takes more than one");
    else
        start_write(s, p, n);
}

static int out_remove(struct store *store, const char *key)
{
    LIST_FOREACH_SAFE (at, &self_of(store)->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        if (w->put || strcmp(w->key, key) != 0)
            continue;
        bool removed = w->place && unlink(w->place) == 0;
        write_free(w);
        return removed ? 0 : -ERR_NOT_FOUND;
    }
    return -ERR_NOT_FOUND;
}

static int out_check(struct store *store, struct error *e)
{
    return 0; /* inputs.c has looked at the place before anything began */
}

/* What is written need not be known any more once the next request begins. */
static void forget_written(struct out_store *s)
{
    LIST_FOREACH_SAFE (at, &s->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        CHECK(!w->put);
        write_free(w);
    }
}

static void out_free(struct store *store)
{
    struct out_store *s = self_of(store);
    forget_written(s);
    lane_free(s->lane);
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
    list_init(&s->writes);
    return &s->store;
}

void out_store_begin(struct store *store, struct loop *loop)
{
    struct out_store *s = self_of(store);
    store->loop = loop;
    s->lane = lane_new(&(struct lane_config){"out", 1, RESULT_OUTPUTS_MAX, imaging_thread_stop}, loop);
}

void out_store_aim(struct store *store, const struct out_aim *aim)
{
    struct out_store *s = self_of(store);
    forget_written(s);
    s->aim = *aim;
    s->begun = 0;
}

void out_store_abandon(struct store *store)
{
    LIST_FOREACH_SAFE (at, &self_of(store)->writes) {
        struct out_write *w = CONTAINER_OF(at, struct out_write, node);
        atomic_store(&w->job.cancelled, true);
        if (w->temp)
            unlink(w->temp);
    }
}
