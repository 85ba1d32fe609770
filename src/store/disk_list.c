/* Listing the disk: a lane thread walks the folders below objects/, depth first and in the order of names, so
 * that of a listing with too many objects always the same ones are told.
 *
 * Names are compared as the whole path is: a folder counts as its name with a slash, so "a-b" comes before
 * "a/c". Failure modes: a folder that cannot be read fails the listing, one that vanishes is an empty one.
 * Bounds: objects_max objects, FOLDER_MAX entries of one folder, names no longer than STORE_NAME_MAX, and
 * with them the depth; links and hidden entries are never followed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/disk.h"

enum { FOLDER_MAX = 1000000 };

struct disk_list {
    struct lane_job job;
    struct disk *disk;
    struct store_list *list;
    size_t room;
    char
        path[STORE_NAME_MAX + 1]; /* of the folder that is being read, with a slash at its end; "" the root */
};

/* ---- one folder's names, sorted ---- */

struct names {
    char **name; /* of a folder: with a slash at its end */
    size_t count, room;
};

static void names_release(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_folder(int folder_fd, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void add_name(struct names *n, const char *name, bool folder)
{
    if (n->count == n->room) {
        n->room = n->room ? 2 * n->room : 64;
        n->name = mem_realloc(n->name, n->room * sizeof(*n->name));
    }
    n->name[n->count++] = mem_printf("%s%s", name, folder ? "/" : "");
}

/* What of the folder can be the prefix's, or lie below it. */
static bool is_asked(const struct disk_list *w, const char *name, bool folder)
{
    char whole[STORE_NAME_MAX + 2];
    const char *prefix = w->list->prefix;
    size_t len = (size_t)snprintf(whole, sizeof(whole), "%s%s%s", w->path, name, folder ? "/" : "");
    if (len > STORE_NAME_MAX)
        return false;
    if (strncmp(whole, prefix, MIN(len, strlen(prefix))) != 0 || (!folder && len < strlen(prefix)))
        return false;
    if (folder) /* is a name in it valid? */
        memcpy(whole + len, "x", 2);
    return store_name_valid(whole) && !(w->list->skip_dated && store_name_day(whole));
}

/* 0 or -errno */
static int read_names(struct disk_list *w, int folder_fd, struct names *ret)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct dirent *entry;
    int r = 0;
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        bool folder = is_folder(folder_fd, entry);
        if (entry->d_name[0] != '.' && is_asked(w, entry->d_name, folder))
            add_name(ret, entry->d_name, folder);
        if (ret->count > FOLDER_MAX)
            r = -EFBIG;
        if (atomic_load_explicit(&w->job.cancelled, memory_order_relaxed))
            r = -ECANCELED;
    }
    if (r == 0)
        r = -errno;
    closedir(dir);
    if (ret->count > 0)
        qsort(ret->name, ret->count, sizeof(*ret->name), by_text);
    return r;
}

/* ---- the walk ---- */

static void add_object(struct disk_list *w, const char *name, const struct stat *st)
{
    struct store_listing *l = &w->list->listing;
    char etag[DISK_ETAG];
    disk_etag(st, etag);
    if (l->count == w->room) {
        w->room = w->room ? 2 * w->room : 256;
        l->object = mem_realloc(l->object, w->room * sizeof(*l->object));
    }
    l->object[l->count++] = (struct store_object){.name = arena_printf(&l->arena, "%s%s", w->path, name),
                                                  .etag = arena_strdup(&l->arena, etag),
                                                  .size = (uint64_t)st->st_size,
                                                  .modified_s = st->st_mtim.tv_sec};
}

static int walk(struct disk_list *w, int folder_fd);

/* 0 or -errno; -ECANCELED ends the walk. */
static int enter(struct disk_list *w, int folder_fd, char *name)
{
    size_t path_len = strlen(w->path), len = strlen(name);
    name[len - 1] = '\0';
    CLOSE_ON_EXIT int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return disk_means_absent(-errno) ? 0 : -errno;
    memcpy(w->path + path_len, name, len - 1);
    memcpy(w->path + path_len + len - 1, "/", 2);
    int r = walk(w, fd);
    w->path[path_len] = '\0';
    return r;
}

static int visit(struct disk_list *w, int folder_fd, char *name)
{
    struct store_list *l = w->list;
    struct stat st;
    if (name[strlen(name) - 1] == '/')
        return enter(w, folder_fd, name);
    if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (l->listing.count == l->objects_max)
        l->listing.cut = true;
    else
        add_object(w, name, &st);
    return 0;
}

static int walk(struct disk_list *w, int folder_fd)
{
    struct names names = {0};
    int r = read_names(w, folder_fd, &names);
    for (size_t i = 0; i < names.count && r == 0 && !w->list->listing.cut; i++)
        r = visit(w, folder_fd, names.name[i]);
    names_release(&names);
    return r;
}

static int run_list(struct lane_job *job)
{
    struct disk_list *w = CONTAINER_OF(job, struct disk_list, job);
    struct store_list *l = w->list;
    int r = walk(w, w->disk->root_fd);
    if (r == 0)
        return 0;
    return r == -ECANCELED ? -ERR_CLIENT_GONE : disk_error(&l->err, r, "list the stored objects");
}

/* ---- the operation ---- */

static void on_listed(struct op *op)
{
    struct disk_list *w = CONTAINER_OF(op, struct disk_list, job.op);
    struct store_list *l = w->list;
    int r = op->result;
    if (r == -ERR_CLIENT_GONE)
        error_set(&l->err, ERR_CLIENT_GONE, "Listing the store was cancelled");
    if (r < 0)
        store_listing_release(&l->listing);
    w->disk->running--;
    l->driver_state = NULL;
    free(w);
    op_complete(&l->op, r);
}

static void cancel_list(struct op *op)
{
    struct store_list *l = CONTAINER_OF(op, struct store_list, op);
    struct disk_list *w = l->driver_state;
    op_cancel(&w->job.op);
}

void disk_list(struct store *s, struct store_list *l)
{
    struct disk_list *w = NEW(struct disk_list);
    w->disk = disk_of(s);
    w->list = l;
    if (lane_submit(w->disk->lane, &w->job, run_list, on_listed) < 0) {
        free(w);
        store_refuse(&l->refusal, &l->op, &l->err, ERR_QUEUE_FULL, "Too much is waiting for the disk");
        return;
    }
    w->disk->running++;
    l->driver_state = w;
    l->op.cancel = cancel_list;
}
