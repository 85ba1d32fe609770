/* Upload bodies.
 *
 * Happy path: the first bytes take a buffer of the expected size, the rest is copied behind them and hashed
 * as it comes; body_finish makes the buffer a blob, which body_blob hands out.
 * To a file: a body that is or becomes larger than spool_above, that the memory account has no room for, or
 * that is told to wait (body_spool). The file has no name; it is gone with its descriptor.
 * Failure modes: a write that fails leaves the body as it was, in memory or at its old length.
 * Invariants: bytes are in `data` (growing), in `blob` (finished) or in the file, never in two of them; the
 * account holds the room of each buffer until its memory is really given back, blobs handed out included. */
#include "store/body.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/file.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { REUSED_MAX = 0 }; /* so that a use after the end is seen */
#else
enum { REUSED_MAX = 64 }; /* idle buffers kept: 16 MiB at most */
#endif

/* Buffers of the usual photo's size are kept for the next one: fresh pages cost 35 µs for 136 kB, more than
 * copying and a third of hashing them. Larger ones are mapped singly, smaller ones come from malloc; so no
 * body's buffer is ever left between the small things of the heap. */
enum { SMALL_BYTES = 64 << 10, REUSED_BYTES = 256 << 10, PAGE_BYTES = 4096, FIRST_BYTES = 16 << 10 };

/* In front of each buffer's bytes. */
struct memory {
    struct spool *spool;
    size_t room;         /* bytes behind this header; what the account holds */
    struct memory *next; /* while idle */
    char pad[40];        /* the bytes begin at a cache line */
};
_Static_assert(sizeof(struct memory) == 64, "a cache line");

struct spool {
    int dir_fd;
    uint64_t memory_max_bytes, spool_above_bytes;
    atomic_uint_fast64_t memory_bytes;
    pthread_mutex_t mutex; /* of the two below */
    struct memory *idle;
    unsigned idle_count;
};

struct body {
    struct spool *spool;
    atomic_uint refs;
    pthread_mutex_t lock; /* over fd and blob once it is finished: two requests may share it */
    int fd;               /* -1: no file */
    uint8_t *data;        /* while growing in memory; else NULL */
    struct blob *blob;    /* when finished in memory; else NULL */
    uint64_t size;
    uint64_t expected;
    bool finished;
    bool foreign; /* made by body_from_blob; then the account holds size while blob is set */
    bool summed;
    struct digest digest;      /* while growing */
    uint8_t sum[DIGEST_BYTES]; /* when summed */
};

/* ---- the folder ---- */

int spool_new(const char *data_dir, uint64_t memory_max_bytes, uint64_t spool_above_bytes, struct spool **ret,
              struct error *e)
{
    FREE_ON_EXIT char *path = mem_printf("%s/spool", data_dir);
    FREE_ON_EXIT char *what = mem_printf("use the folder %s", path);
    int r = file_make_folders(path);
    if (r < 0)
        return file_error(e, r, what);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_error(e, -errno, what);
    struct spool *s = NEW(struct spool);
    s->dir_fd = fd;
    s->memory_max_bytes = memory_max_bytes;
    s->spool_above_bytes = spool_above_bytes;
    pthread_mutex_init(&s->mutex, NULL);
    *ret = s;
    return 0;
}

uint64_t spool_memory_bytes(const struct spool *s)
{
    return atomic_load_explicit(&s->memory_bytes, memory_order_relaxed);
}

/* A file without a name. fd or -errno. */
static int open_file(const struct spool *s)
{
    int fd = openat(s->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd >= 0 ? fd : -errno;
    FREE_ON_EXIT char *path = mem_printf("/proc/self/fd/%d/body-XXXXXX", s->dir_fd);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    unlink(path);
    return fd;
}

/* ---- buffers ---- */

/* How much a buffer for that many bytes really takes. */
static size_t whole_room(size_t bytes)
{
    size_t all = bytes + sizeof(struct memory);
    if (all <= SMALL_BYTES)
        return bytes;
    return (all + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES - sizeof(struct memory);
}

/* Buffers for more than SMALL_BYTES and up to REUSED_BYTES are all of REUSED_BYTES, whatever their room:
 * pages that are not touched cost nothing. */
static bool reusable(size_t room)
{
    size_t all = room + sizeof(struct memory);
    return all > SMALL_BYTES && all <= REUSED_BYTES;
}

static struct memory *take_idle(struct spool *s)
{
    pthread_mutex_lock(&s->mutex);
    struct memory *m = s->idle;
    if (m) {
        s->idle = m->next;
        s->idle_count--;
    }
    pthread_mutex_unlock(&s->mutex);
    return m;
}

static bool keep_idle(struct spool *s, struct memory *m)
{
    pthread_mutex_lock(&s->mutex);
    bool keep = s->idle_count + 1 <= REUSED_MAX;
    if (keep) {
        m->next = s->idle;
        s->idle = m;
        s->idle_count++;
    }
    pthread_mutex_unlock(&s->mutex);
    return keep;
}

static void *map_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static bool account_take(struct spool *s, uint64_t bytes)
{
    uint64_t held = atomic_load_explicit(&s->memory_bytes, memory_order_relaxed);
    do {
        if (held > s->memory_max_bytes || bytes > s->memory_max_bytes - held)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&s->memory_bytes, &held, held + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void account_give(struct spool *s, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(&s->memory_bytes, bytes, memory_order_relaxed);
    CHECK(before >= bytes);
}

/* Room for at least that many bytes; NULL: the account or the system has none left. */
static uint8_t *memory_new(struct spool *s, size_t bytes)
{
    size_t room = whole_room(bytes), all = room + sizeof(struct memory);
    if (!account_take(s, room))
        return NULL;
    struct memory *m;
    if (all <= SMALL_BYTES)
        m = malloc(all);
    else if (!reusable(room))
        m = map_pages(all);
    else if (!(m = take_idle(s)))
        m = map_pages(REUSED_BYTES);
    if (!m) {
        account_give(s, room);
        return NULL;
    }
    m->spool = s;
    m->room = room;
    return (uint8_t *)(m + 1);
}

static struct memory *memory_of(const uint8_t *data)
{
    return (struct memory *)(void *)(uintptr_t)data - 1;
}

/* Gives the memory back; fits blob_take. Any thread. */
static void memory_free(void *data)
{
    struct memory *m = memory_of(data);
    struct spool *s = m->spool;
    size_t room = m->room, all = room + sizeof(*m);
    if (all <= SMALL_BYTES)
        free(m);
    else if (!reusable(room))
        munmap(m, all);
    else if (!keep_idle(s, m))
        munmap(m, REUSED_BYTES);
    account_give(s, room);
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    CHECK(spool_memory_bytes(s) == 0);
    struct memory *m;
    while ((m = take_idle(s)))
        munmap(m, REUSED_BYTES);
    pthread_mutex_destroy(&s->mutex);
    close(s->dir_fd);
    free(s);
}

/* ---- a body ---- */

struct body *body_new(struct spool *s, uint64_t expected)
{
    struct body *b = NEW(struct body);
    b->spool = s;
    b->fd = -1;
    b->expected = expected;
    atomic_init(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    digest_init(&b->digest);
    return b;
}

struct body *body_from_blob(struct spool *s, struct blob *blob)
{
    struct body *b = NEW(struct body);
    b->spool = s;
    b->fd = -1;
    b->blob = blob_ref(blob);
    b->size = b->expected = blob->size;
    b->finished = b->foreign = true;
    atomic_init(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    atomic_fetch_add_explicit(&s->memory_bytes, b->size, memory_order_relaxed); /* it is there: no refusal */
    return b;
}

struct body *body_ref(struct body *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    CHECK(before > 0);
    return b;
}

static void drop_memory(struct body *b)
{
    if (b->data)
        memory_free(TAKE(b->data));
    if (b->blob && b->foreign)
        account_give(b->spool, b->size);
    blob_unref(TAKE(b->blob));
}

void body_unref(struct body *b)
{
    if (!b)
        return;
    unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    drop_memory(b);
    if (b->fd >= 0)
        close(b->fd);
    digest_release(&b->digest);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Moves what is in memory to a new file. 0 or -errno, then nothing has changed. */
static int to_file(struct body *b)
{
    int fd = open_file(b->spool);
    if (fd < 0)
        return fd;
    const uint8_t *data = b->blob ? b->blob->data : b->data;
    int r = data ? file_write(fd, data, b->size, 0) : 0;
    if (r < 0) {
        close(fd);
        return r;
    }
    b->fd = fd;
    drop_memory(b);
    return 0;
}

/* Makes room in memory for size more bytes. false: they belong in a file. */
static bool grow(struct body *b, size_t size)
{
    uint64_t need = b->size + size, above = b->spool->spool_above_bytes;
    if (need > above || MAX(b->expected, need) > above)
        return false;
    size_t room = b->data ? memory_of(b->data)->room : 0;
    if (need <= room)
        return true;
    size_t want = room ? room * 2 : MAX((size_t)b->expected, b->expected ? 0 : (size_t)FIRST_BYTES);
    want = MIN(MAX(want, (size_t)need), (size_t)above);
    uint8_t *data = memory_new(b->spool, want);
    if (!data)
        return false;
    if (b->data) {
        memcpy(data, b->data, b->size);
        memory_free(b->data);
    }
    b->data = data;
    return true;
}

int body_append(struct body *b, const void *data, size_t size, struct error *e)
{
    CHECK(!b->finished);
    if (size == 0)
        return 0;
    int r = 0;
    if (b->fd < 0 && grow(b, size)) {
        memcpy(b->data + b->size, data, size);
    } else {
        if (b->fd < 0)
            r = to_file(b);
        if (r == 0)
            r = file_write(b->fd, data, size, b->size);
    }
    if (r < 0)
        return file_error(e, r, "keep the upload");
    digest_update(&b->digest, data, size);
    b->size += size;
    return 0;
}

void body_finish(struct body *b)
{
    CHECK(!b->finished);
    b->finished = true;
    digest_final(&b->digest, b->sum);
    b->summed = true;
    if (b->data)
        b->blob = blob_take(TAKE(b->data), b->size, memory_free);
    else if (b->fd < 0)
        b->blob = blob_static("", 0);
}

const uint8_t *body_digest(struct body *b)
{
    CHECK(b->finished);
    if (!b->summed) {
        CHECK(b->blob); /* of body_from_blob, asked for before it was spooled */
        digest_of(b->blob->data, b->blob->size, b->sum);
        b->summed = true;
    }
    return b->sum;
}

uint64_t body_size(const struct body *b)
{
    return b->size;
}

static int take_blob(struct body *b, struct blob **ret, struct error *e)
{
    if (b->blob) {
        *ret = blob_ref(b->blob);
        return 0;
    }
    if (b->size == 0) {
        *ret = blob_static("", 0);
        return 0;
    }
    int r = blob_map(b->fd, b->size, ret);
    return r < 0 ? file_error(e, r, "read the upload back") : 0;
}

int body_blob(struct body *b, struct blob **ret, struct error *e)
{
    CHECK(b->finished);
    pthread_mutex_lock(&b->lock);
    int r = take_blob(b, ret, e);
    pthread_mutex_unlock(&b->lock);
    return r;
}

int body_spool(struct body *b, struct error *e)
{
    pthread_mutex_lock(&b->lock);
    int r = b->fd >= 0 ? 0 : to_file(b);
    pthread_mutex_unlock(&b->lock);
    return r < 0 ? file_error(e, r, "keep the upload") : 0;
}

int body_open(struct spool *s, const char *path, const uint8_t digest[static DIGEST_BYTES], struct body **ret,
              struct error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(e, ERR_NOT_FOUND, "The picture is not there any more");
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = file_error(e, -errno, "read a kept picture");
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct body *b = NEW(struct body);
    b->spool = s;
    b->fd = fd;
    b->size = b->expected = (uint64_t)st.st_size;
    b->finished = b->summed = true;
    memcpy(b->sum, digest, DIGEST_BYTES);
    atomic_init(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    *ret = b;
    return 0;
}

bool body_in_memory(const struct body *b)
{
    return b->fd < 0;
}
