/* Happy path: the first job with a picture has it written by the lane, under a name of its own and then
 * renamed; others that come meanwhile wait for the same write; later ones only count. Failure modes: a write
 * that fails fails all who wait for it, and the next one tries again. Invariants: an input in the map is
 * being written (and then refs counts who waits), or its file is there; a file without an input is nobody's.
 */
#include "jobs/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/file.h"

enum { BUCKETS = 4096 };

struct inputs {
    struct inputs_config config;
    char *root, *folder;
    struct list bucket[BUCKETS];
    unsigned writing;
    bool shared;
    bool early; /* not all rows have been read yet: nothing is removed */
};

struct input {
    struct list node;
    struct inputs *inputs;
    uint8_t digest[DIGEST_BYTES];
    unsigned refs;
    struct list waiters; /* of struct input_keep, while it is being written */
    bool writing;
    struct lane_job job;
    struct body *body; /* while it is being written */
    char *path;
    struct error err;
};

static struct list *bucket_of(struct inputs *in, const uint8_t *digest)
{
    uint32_t hash;
    memcpy(&hash, digest, sizeof(hash));
    return &in->bucket[hash % BUCKETS];
}

static struct input *find(struct inputs *in, const uint8_t *digest)
{
    struct list *bucket = bucket_of(in, digest);
    LIST_FOREACH (node, bucket) {
        struct input *i = CONTAINER_OF(node, struct input, node);
        if (memcmp(i->digest, digest, DIGEST_BYTES) == 0)
            return i;
    }
    return NULL;
}

static char *path_of(const struct inputs *in, const uint8_t *digest)
{
    char hex[DIGEST_HEX + 1];
    hex_encode(digest, DIGEST_BYTES, hex);
    return mem_printf("%s/%s", in->folder, hex);
}

static struct input *add(struct inputs *in, const uint8_t *digest)
{
    struct input *i = NEW(struct input);
    i->inputs = in;
    memcpy(i->digest, digest, DIGEST_BYTES);
    list_init(&i->waiters);
    list_push_back(bucket_of(in, digest), &i->node);
    return i;
}

static void input_free(struct input *i)
{
    list_remove(&i->node);
    body_unref(i->body);
    free(i->path);
    free(i);
}

/* ---- writing ---- */

static int write_file(struct lane_job *job)
{
    struct input *i = CONTAINER_OF(job, struct input, job);
    return body_keep(i->body, i->path, i->inputs->config.to_disk, &i->err);
}

static void written(struct op *op)
{
    struct input *i = CONTAINER_OF(op, struct input, job.op);
    struct list *node;
    int result = op->result;
    i->inputs->writing--;
    i->writing = false;
    body_unref(TAKE(i->body));
    free(TAKE(i->path));
    while ((node = list_pop_front(&i->waiters))) {
        struct input_keep *k = CONTAINER_OF(node, struct input_keep, node);
        if (result < 0) {
            k->err = i->err;
            i->refs--;
        }
        op_complete(&k->op, result);
    }
    if (i->refs == 0)
        input_free(i);
}

/* A file that an earlier process wrote and nobody has swept yet is as good as one of ours: it is written
 * again all the same, as its end may be missing. */
static int begin_writing(struct input *i, struct body *body)
{
    struct inputs *in = i->inputs;
    i->body = body_ref(body);
    i->path = path_of(in, i->digest);
    if (lane_submit(in->config.lane, &i->job, write_file, written) < 0)
        return error_set(&i->err, ERR_QUEUE_FULL, "Too many pictures wait to be written");
    i->writing = true;
    in->writing++;
    return 0;
}

void inputs_keep(struct inputs *in, struct input_keep *k, struct body *body, op_done_fn *on_done)
{
    const uint8_t *digest = body_digest(body);
    struct input *i = find(in, digest);
    op_begin(&k->op, in->config.loop, on_done, NULL);
    if (!i) {
        i = add(in, digest);
        if (begin_writing(i, body) < 0) {
            k->err = i->err;
            k->err.retry_after_s = 1;
            input_free(i);
            op_complete(&k->op, -(int)k->err.code);
            return;
        }
    }
    i->refs++;
    if (i->writing)
        list_push_back(&i->waiters, &k->node);
    else
        op_complete(&k->op, 0);
}

/* ---- the rest ---- */

void inputs_drop(struct inputs *in, const uint8_t digest[static DIGEST_BYTES])
{
    struct input *i = find(in, digest);
    CHECK(i && i->refs > 0);
    if (--i->refs > 0 || i->writing)
        return;
    FREE_ON_EXIT char *path = path_of(in, digest);
    if (!in->shared && !in->early)
        unlink(path);
    input_free(i);
}

/* Another gateway's file gets a second name, which is ours. What cannot be had is told when it is opened. */
static void take_from_others(const struct inputs *in, const uint8_t *digest)
{
    char hex[DIGEST_HEX + 1];
    FREE_ON_EXIT char *ours = path_of(in, digest);
    hex_encode(digest, DIGEST_BYTES, hex);
    DIR *d = access(ours, F_OK) < 0 ? opendir(in->root) : NULL;
    const struct dirent *entry;
    int r = -1;
    while (d && r < 0 && (entry = readdir(d))) {
        FREE_ON_EXIT char *theirs = mem_printf("%s/%s/%s", in->root, entry->d_name, hex);
        r = *entry->d_name == '.' ? -1 : link(theirs, ours);
    }
    if (d)
        closedir(d);
}

void inputs_adopt(struct inputs *in, const uint8_t digest[static DIGEST_BYTES])
{
    take_from_others(in, digest);
    struct input *i = find(in, digest);
    if (!i)
        i = add(in, digest);
    i->refs++;
}

bool inputs_adopt_known(struct inputs *in, const uint8_t digest[static DIGEST_BYTES])
{
    FREE_ON_EXIT char *path = path_of(in, digest);
    take_from_others(in, digest);
    if (access(path, F_OK) < 0)
        return false;
    inputs_adopt(in, digest);
    return true;
}

int inputs_open(struct inputs *in, const uint8_t digest[static DIGEST_BYTES], struct body **ret,
                struct error *e)
{
    FREE_ON_EXIT char *path = path_of(in, digest);
    return body_open(in->config.spool, path, digest, ret, e);
}

void inputs_wait(struct inputs *in)
{
    in->early = true;
}

void inputs_share(struct inputs *in, bool shared)
{
    in->shared = shared;
}

unsigned inputs_sweep(struct inputs *in)
{
    unsigned gone = 0;
    in->early = false;
    if (in->shared)
        return 0;
    DIR *d = opendir(in->folder);
    const struct dirent *entry;
    while (d && (entry = readdir(d))) {
        uint8_t digest[DIGEST_BYTES];
        bool ours = hex_decode(entry->d_name, digest, DIGEST_BYTES) == 0;
        bool half = strncmp(entry->d_name, BODY_KEEP_PREFIX, strlen(BODY_KEEP_PREFIX)) == 0 &&
                    in->writing == 0; /* else it may be ours */
        if ((!ours || find(in, digest)) && !half)
            continue;
        if (unlinkat(dirfd(d), entry->d_name, 0) == 0)
            gone++;
    }
    if (d)
        closedir(d);
    return gone;
}

int inputs_new(const struct inputs_config *config, struct inputs **ret, struct error *e)
{
    char *folder = mem_printf("%s/%s", config->root, config->owner);
    int r = file_make_folders(folder);
    if (r < 0) {
        FREE_ON_EXIT char *what = mem_printf("make the folder %s", folder);
        free(folder);
        return file_error(e, r, what);
    }
    struct inputs *in = NEW(struct inputs);
    in->early = true;
    in->config = *config;
    in->root = mem_strdup(config->root);
    in->folder = folder;
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&in->bucket[i]);
    *ret = in;
    return 0;
}

void inputs_free(struct inputs *in)
{
    if (!in)
        return;
    CHECK(in->writing == 0);
    for (size_t b = 0; b < BUCKETS; b++)
        LIST_FOREACH_SAFE (node, &in->bucket[b]) {
            input_free(CONTAINER_OF(node, struct input, node));
        }
    free(in->root);
    free(in->folder);
    free(in);
}
