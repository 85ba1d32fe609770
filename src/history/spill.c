/* Happy path: records are appended to the newest file; the oldest file is read from its front, and removed
 * when its last record is popped.
 * Failure modes: see the header. A process that dies between a pop and the removal of the file gives the
 * popped records once more: who reads them must know what it has seen.
 * Invariants: files are in the order of their numbers and all but the newest are complete; what is in memory
 * is younger than all that is in files. */
#include "history/spill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/list.h"
#include "base/mem.h"
#include "store/file.h"

enum { TRIES = 3, PARTS = 8, SUM_BYTES = 8, RECORD_MAX = 16 << 20, FILES_MAX = 1024 };

/* Before each record; the numbers as this machine has them, as the file does not leave it. */
struct record_head {
    char mark[4];
    uint32_t size;
    uint8_t sum[SUM_BYTES]; /* the beginning of the bytes' SHA-256 */
};
static const char record_mark[4] = {'L', 'H', 'B', '1'};

struct segment {
    struct list node;
    uint64_t number, size; /* of the file: its name, its bytes */
    uint64_t read;         /* where the oldest record begins that was not popped */
    uint64_t batches;      /* not popped */
    bool closed;           /* nothing is appended to it */
};

struct held {
    struct list node;
    struct blob *batch;
};

struct spill {
    char *parent, *folder;
    int lock; /* the folder, open and locked as long as we live; -1: it is not there */
    uint64_t max_bytes;
    struct list segments; /* oldest first */
    struct list held;     /* in memory, oldest first */
    uint64_t held_bytes, held_count, dropped, next_number;
};

static char *path_of(const char *folder, uint64_t number)
{
    return mem_printf("%s/%012" PRIu64 ".batches", folder, number);
}

static struct segment *segment_at(struct list *node)
{
    return CONTAINER_OF(node, struct segment, node);
}

static struct held *held_at(struct list *node)
{
    return CONTAINER_OF(node, struct held, node);
}

static void sum_of(const void *data, size_t size, uint8_t ret[static SUM_BYTES])
{
    uint8_t whole[DIGEST_BYTES];
    digest_of(data, size, whole);
    memcpy(ret, whole, SUM_BYTES);
}

/* ---- files ---- */

/* The record at that place; NULL: there is none that is whole. *ret_end: where it ends. */
static struct blob *read_record(int fd, uint64_t at, uint64_t *ret_end)
{
    struct record_head head;
    if (pread(fd, &head, sizeof(head), (off_t)at) != (ssize_t)sizeof(head) ||
        memcmp(head.mark, record_mark, sizeof(record_mark)) != 0 || head.size > RECORD_MAX)
        return NULL;
    FREE_ON_EXIT uint8_t *data = mem_alloc(head.size + 1u);
    if (pread(fd, data, head.size, (off_t)(at + sizeof(head))) != (ssize_t)head.size)
        return NULL;
    uint8_t sum[SUM_BYTES];
    sum_of(data, head.size, sum);
    if (memcmp(sum, head.sum, SUM_BYTES) != 0)
        return NULL;
    *ret_end = at + sizeof(head) + head.size;
    return blob_copy(data, head.size);
}

/* open_segment's answer: it is there, and may be had later; what is in it is not lost. */
static bool unreadable(int fd)
{
    return fd < 0 && errno != ENOENT;
}

static int open_segment(const struct spill *s, const struct segment *g, int flags)
{
    FREE_ON_EXIT char *path = path_of(s->folder, g->number);
    return open(path, flags | O_CLOEXEC, 0600);
}

/* Away with it, read or not. */
static void remove_segment(struct spill *s, struct segment *g)
{
    FREE_ON_EXIT char *path = path_of(s->folder, g->number);
    unlink(path);
    list_remove(&g->node);
    free(g);
}

/* Counts what is whole in a file that was found, and cuts off the rest. */
static void take_up(struct spill *s, uint64_t number)
{
    struct segment *g = NEW(struct segment);
    g->number = number;
    CLOSE_ON_EXIT int fd = open_segment(s, g, O_RDWR);
    struct blob *batch;
    while (fd >= 0 && (batch = read_record(fd, g->size, &g->size))) {
        g->batches++;
        blob_unref(batch);
    }
    if (unreadable(fd)) { /* for the next process */
        free(g);
        return;
    }
    list_push_back(&s->segments, &g->node);
    if (g->batches == 0)
        remove_segment(s, g);
    else
        g->closed = ftruncate(fd, (off_t)g->size) < 0;
}

/* ---- folders ---- */

/* Open and locked: nobody alive has it. -1: somebody has, or it is away. */
static int lock_folder(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Makes it if need be. Another process may find it before it is locked, and remove it as one that was left.
 */
static void make_folder(struct spill *s)
{
    if (s->lock >= 0)
        close(s->lock);
    s->lock = -1;
    for (unsigned i = 0; i < TRIES && s->lock < 0 && file_make_folders(s->folder) == 0; i++)
        s->lock = lock_folder(s->folder);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* A file of another folder becomes our newest one. */
static void adopt_file(struct spill *s, const char *folder, uint64_t number)
{
    FREE_ON_EXIT char *theirs = path_of(folder, number);
    FREE_ON_EXIT char *ours = path_of(s->folder, s->next_number);
    if (rename(theirs, ours) == 0)
        take_up(s, s->next_number++);
}

static void adopt_files(struct spill *s, const char *folder)
{
    uint64_t number[FILES_MAX];
    unsigned count = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && count < FILES_MAX && (entry = readdir(dir))) {
        char *end;
        unsigned long long n = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name && strcmp(end, ".batches") == 0)
            number[count++] = n;
    }
    if (dir)
        closedir(dir);
    if (count)
        qsort(number, count, sizeof(number[0]), by_number);
    for (unsigned i = 0; i < count; i++)
        adopt_file(s, folder, number[i]);
}

static void adopt_folders(struct spill *s)
{
    DIR *dir = opendir(s->parent);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        FREE_ON_EXIT char *path = mem_printf("%s/%s", s->parent, entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(path, s->folder) == 0)
            continue;
        CLOSE_ON_EXIT int fd = lock_folder(path);
        if (fd < 0)
            continue;
        adopt_files(s, path);
        rmdir(path);
    }
    if (dir)
        closedir(dir);
}

struct spill *spill_open(const char *parent, const char *name, uint64_t max_bytes)
{
    struct spill *s = NEW(struct spill);
    s->parent = mem_strdup(parent);
    s->folder = mem_printf("%s/%s", parent, name);
    s->max_bytes = max_bytes;
    s->next_number = 1;
    s->lock = -1;
    list_init(&s->segments);
    list_init(&s->held);
    make_folder(s);
    if (s->lock >= 0)
        adopt_folders(s);
    return s;
}

static void pop_held(struct spill *s)
{
    struct held *h = held_at(list_pop_front(&s->held));
    s->held_bytes -= h->batch->size;
    s->held_count--;
    blob_unref(h->batch);
    free(h);
}

void spill_close(struct spill *s)
{
    if (!s)
        return;
    while (!list_empty(&s->segments))
        free(segment_at(list_pop_front(&s->segments)));
    while (!list_empty(&s->held))
        pop_held(s);
    rmdir(s->folder); /* if it is empty */
    if (s->lock >= 0)
        close(s->lock);
    free(s->parent);
    free(s->folder);
    free(s);
}

/* ---- appending ---- */

static uint64_t bytes_waiting(const struct spill *s)
{
    uint64_t bytes = s->held_bytes;
    LIST_FOREACH (node, &s->segments)
        bytes += segment_at(node)->size - segment_at(node)->read;
    return bytes;
}

static void make_room(struct spill *s, uint64_t size)
{
    while (!list_empty(&s->segments) && bytes_waiting(s) + size > s->max_bytes) {
        struct segment *oldest = segment_at(s->segments.next);
        s->dropped += oldest->batches;
        remove_segment(s, oldest);
    }
    while (!list_empty(&s->held) && bytes_waiting(s) + size > s->max_bytes) {
        s->dropped++;
        pop_held(s);
    }
}

/* The file that takes the next record; a new one if the newest has its share. NULL: none can be made. */
static struct segment *newest(struct spill *s, int *ret_fd)
{
    CHECK(s->segments.prev); /* which clang's analyser does not see */
    struct segment *g = list_empty(&s->segments) ? NULL : segment_at(s->segments.prev);
    if (g && !g->closed && g->size < s->max_bytes / PARTS) {
        *ret_fd = open_segment(s, g, O_WRONLY);
        if (*ret_fd >= 0)
            return g;
    }
    g = NEW(struct segment);
    g->number = s->next_number;
    *ret_fd = open_segment(s, g, O_WRONLY | O_CREAT | O_EXCL);
    if (*ret_fd < 0) { /* somebody has removed the folder, or it was away at first */
        make_folder(s);
        *ret_fd = open_segment(s, g, O_WRONLY | O_CREAT | O_EXCL);
    }
    if (*ret_fd < 0) {
        free(g);
        return NULL;
    }
    s->next_number++;
    list_push_back(&s->segments, &g->node);
    return g;
}

static bool write_down(struct spill *s, const struct blob *batch)
{
    CLOSE_ON_EXIT int fd = -1;
    struct segment *g = newest(s, &fd);
    if (!g)
        return false;
    struct record_head head = {.size = (uint32_t)batch->size};
    memcpy(head.mark, record_mark, sizeof(record_mark));
    sum_of(batch->data, batch->size, head.sum);
    int r = file_write(fd, &head, sizeof(head), g->size);
    if (r == 0)
        r = file_write(fd, batch->data, batch->size, g->size + sizeof(head));
    if (r == 0) {
        g->size += sizeof(head) + batch->size;
        g->batches++;
    } else if (g->batches == 0) {
        remove_segment(s, g);
    } else {
        g->closed = ftruncate(fd, (off_t)g->size) < 0;
    }
    return r == 0;
}

void spill_append(struct spill *s, struct blob *batch)
{
    struct held *h = NEW(struct held);
    make_room(s, batch->size + sizeof(struct record_head));
    h->batch = blob_ref(batch);
    list_push_back(&s->held, &h->node);
    s->held_bytes += batch->size;
    s->held_count++;
    while (!list_empty(&s->held) && write_down(s, held_at(s->held.next)->batch))
        pop_held(s);
}

/* ---- reading ---- */

struct blob *spill_peek(struct spill *s)
{
    while (!list_empty(&s->segments)) {
        struct segment *g = segment_at(s->segments.next);
        CLOSE_ON_EXIT int fd = open_segment(s, g, O_RDONLY);
        uint64_t end;
        if (unreadable(fd))
            return NULL;
        struct blob *batch = fd >= 0 ? read_record(fd, g->read, &end) : NULL;
        if (batch)
            return batch;
        s->dropped += g->batches; /* somebody has removed or damaged it */
        remove_segment(s, g);
    }
    return list_empty(&s->held) ? NULL : blob_ref(held_at(s->held.next)->batch);
}

void spill_pop(struct spill *s)
{
    if (list_empty(&s->segments)) {
        pop_held(s);
        return;
    }
    struct segment *g = segment_at(s->segments.next);
    CLOSE_ON_EXIT int fd = open_segment(s, g, O_RDONLY);
    if (unreadable(fd))
        return; /* it comes again, and is known then */
    struct blob *batch = fd >= 0 ? read_record(fd, g->read, &g->read) : NULL;
    blob_unref(batch);
    if (!batch || --g->batches == 0)
        remove_segment(s, g);
}

struct spill_stats spill_stats(const struct spill *s)
{
    struct spill_stats stats = {.batches = s->held_count,
                                .bytes = bytes_waiting(s),
                                .in_memory = s->held_count,
                                .dropped = s->dropped};
    LIST_FOREACH (node, &s->segments)
        stats.batches += segment_at(node)->batches;
    return stats;
}
