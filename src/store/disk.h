/* disk.h: what the files of the disk driver share. Private to src/store/disk*.c. */
#pragma once

#include "loop/lane.h"
#include "store/store.h"

struct disk {
    struct store store;
    struct lane *lane;
    int root_fd;      /* DATA_DIR/objects */
    int temp_fd;      /* DATA_DIR/objects/.tmp, locked */
    unsigned running; /* operations; core thread */
};

static inline struct disk *disk_of(struct store *s)
{
    return CONTAINER_OF(s, struct disk, store);
}

/* ---- disk_path.c: names to files, never through a link. Blocking, any thread. ---- */

/* The folder of a name, made if asked, and in *ret_last the part after its last slash. fd (O_PATH) or -errno.
 */
int disk_open_folder(int root_fd, const char *name, bool make, const char **ret_last);
/* The file of an object, and what is known of it. fd or -errno. */
int disk_open_object(int root_fd, const char *name, struct store_info *ret);
bool disk_means_absent(int negative_errno);
/* Fills e as file_error does, but what is neither full nor busy is STORAGE_FAILED. Returns the code. */
int disk_error(struct error *e, int negative_errno, const char *what);

/* The digest of an object's bytes is an attribute of its file, where the file system has such. */
void disk_set_digest(int fd, const struct blob *bytes);
void disk_get_digest(int fd, char ret[static DIGEST_HEX + 1]); /* "": there is none */

struct stat;
enum { DISK_ETAG = 40 };
/* Changes whenever the file does: its time and its size. */
void disk_etag(const struct stat *st, char ret[static DISK_ETAG]);

void disk_get(struct store *s, struct store_get *g);   /* disk_get.c */
void disk_list(struct store *s, struct store_list *l); /* disk_list.c */
