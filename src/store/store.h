/* store.h: where results live. One contract, several drivers (disk; S3 and R2); test/contract runs
 * the same suite on each.
 *
 * Keys look like clarity/2026-11-23/uuid.png: 1–512 of [A-Za-z0-9._/-]; a part between slashes is 1–255 long
 * and does not begin with a dot (so neither "." nor ".." nor a driver's own hidden files). A put is all or
 * nothing: readers see the whole object or none, and one that replaces an object shows the old or the new
 * one. Operations start on the core thread and complete there through their op (loop/op.h): never inside
 * start, exactly once. Each may be cancelled: it then ends soon, as CLIENT_GONE, or as it would have ended
 * anyway. What a cancelled put has sent already is removed, over a network a moment later.
 *
 * A store may also hold what others put there. Such a name may be any UTF-8 of 1–1024 bytes without control
 * characters; its parts follow the rule above. Other names are not read and not listed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/blob.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "tables/error.h"

enum { STORE_KEY_MAX = 512, STORE_NAME_MAX = 1024, STORE_ETAG_MAX = 128, STORE_TYPE_MAX = 127 };

/* An operation that could not be begun: it ends from the mailbox, so not inside its start. */
struct store_refusal {
    struct message mail;
    struct op *op;
    int result;
};

struct store_put {
    struct op op;    /* result: 0, or a negative ERR_ with err filled: STORAGE_FULL, QUEUE_FULL (too many puts
                      * wait), STORAGE_FAILED, INTERNAL (a key that is not valid too), CLIENT_GONE */
    const char *key; /* the caller's, until complete */
    const char *content_type;
    struct blob *body; /* the caller's reference, until complete */
    uint32_t limit_ms; /* what is put has cost much: it is tried again for so long; 0: a few times only */
    struct error err;
    void *driver_state; /* the driver's own, until complete */
    struct store_refusal refusal;
};

struct store_info {
    uint64_t size;                         /* bytes */
    int64_t modified_s;                    /* since 1970; 0: unknown */
    char etag[STORE_ETAG_MAX + 1];         /* without quotes; "" unknown */
    char sha256[DIGEST_HEX + 1];           /* of the bytes, in hex, as it was put; "" unknown */
    char content_type[STORE_TYPE_MAX + 1]; /* as it was put; on the disk, by the name's extension */
};

struct store_get {
    struct op op;       /* result: 0, or a negative ERR_ with err filled: NOT_FOUND (no valid name too),
                         * PAYLOAD_TOO_LARGE, QUEUE_FULL, STORAGE_FAILED, CLIENT_GONE */
    const char *name;   /* the caller's, until complete */
    uint64_t max_bytes; /* a larger object is not read */
    struct store_info info;
    struct blob *body; /* the caller's now; NULL on failure and for a head */
    struct error err;
    bool head; /* set by the start functions */
    void *driver_state;
    struct store_refusal refusal;
};

struct store_object {
    const char *name, *etag;
    uint64_t size;
    int64_t modified_s;
};

struct store_listing {
    struct store_object *object; /* by name, as bytes */
    size_t count;
    bool cut;           /* there were more than asked for */
    struct arena arena; /* the texts */
};

struct store_list {
    struct op op;       /* result: 0, or a negative ERR_ with err filled, as store_get */
    const char *prefix; /* names begin with it; "": all; the caller's, until complete */
    size_t objects_max;
    bool skip_dated; /* leaves out what lies in a folder named like a day (2026-11-23): the results; beside
                      * such folders, others whose name begins with the same two digits may be left out too */
    struct store_listing listing; /* the caller's now, to be released; empty on failure */
    struct error err;
    void *driver_state;
    struct store_refusal refusal;
};

struct store;

struct store_ops {
    const char *name; /* "disk" */
    /* Starts it: the key is valid and op_begin has been called; sets p->op.cancel if it can be hurried. */
    void (*put)(struct store *s, struct store_put *p);
    /* Likewise; the name or prefix is valid. NULL: the store cannot be read. */
    void (*get)(struct store *s, struct store_get *g);
    void (*list)(struct store *s, struct store_list *l);
    /* 0 or NOT_FOUND (absent, or no valid key), else INTERNAL. A driver over the network only
     * starts it, and does not tell whether the object was there. Core thread; disk: blocking, any thread. */
    int (*remove)(struct store *s, const char *key);
    /* Opens for reading: for drivers that serve files themselves; else NULL. Results as remove. Blocking, any
     * thread. */
    int (*open)(struct store *s, const char *name, int *ret_fd, struct store_info *ret);
    /* 0 when results can be stored: disk writes and removes a small file, s3 tells how its last write of the
     * object "limner-check" went, a minute ago at most. May block; any thread. */
    int (*check)(struct store *s, struct error *e);
    /* Appends the address of an object, signed to work for so long, or (0) unsigned. 0 or INTERNAL. NULL: the
     * objects are reached through our own /files. Any thread. */
    int (*link)(struct store *s, const char *name, unsigned expires_s, struct buf *ret);
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    struct loop *loop; /* where puts complete */
};

struct lane;

/* DATA_DIR/objects. Writes run on lane: a temporary file, fdatasync, then rename. */
int store_disk_new(const char *data_dir, struct loop *loop, struct lane *lane, struct store **ret,
                   struct error *e) MUST_CHECK;

struct loop_uv;

struct s3_config {
    const char *endpoint; /* "https://host" or with a port; kept by nobody, like the other texts */
    const char *bucket, *access_key, *secret;
    const char *region;  /* "auto": what suits the endpoint */
    const char *ca_file; /* PEM; "": the system's */
    int checksum;        /* S3_CHECKSUM_SHA256, … */
    unsigned retries;
    uint32_t timeout_ms; /* of each try */
};

/* Asks the bucket first, running the loop for it, so before anybody else does: a missing bucket, refused
 * credentials and a server that cannot be reached fail the start. Bodies are hashed on lane. */
int store_s3_new(const struct s3_config *config, struct loop_uv *uv, struct lane *lane, struct store **ret,
                 struct error *e) MUST_CHECK;
void store_free(struct store *s); /* accepts NULL; after the last put; s3 runs the loop to end what is left */

void store_put_start(struct store *s, struct store_put *p, op_done_fn *on_done);
void store_get_start(struct store *s, struct store_get *g, op_done_fn *on_done);  /* info and body */
void store_head_start(struct store *s, struct store_get *g, op_done_fn *on_done); /* info only */
void store_list_start(struct store *s, struct store_list *l, op_done_fn *on_done);
void store_listing_release(struct store_listing *l); /* accepts a zeroed or released one */

/* For drivers: ends an operation that could not be started. */
void store_refuse(struct store_refusal *r, struct op *op, struct error *err, enum err code,
                  const char *reason);

bool store_key_valid(const char *key);
bool store_name_valid(const char *name);
/* Where the folder of a name begins that is named like a day; NULL: there is none. */
const char *store_name_day(const char *name);
/* By the name's extension, in either case; application/octet-stream if it says nothing. */
const char *store_content_type(const char *name);
/* prefix/YYYY-MM-DD/uuid.ext */
void store_key_make(const char *prefix, int64_t now_s, const char *ext, char ret[static STORE_KEY_MAX + 1]);

/* ---- signed links: /files/{key}?expires=unix&signature=hex ---- */

struct signer;

/* secret: the option's text, or NULL/"" to read or make DATA_DIR/signing-key (mode 0600; several processes
 * that start at once end with the same key). */
int signer_new(const char *secret, const char *data_dir, struct signer **ret, struct error *e) MUST_CHECK;
void signer_free(struct signer *s);
/* "expires=…&signature=…"; ret of ≥ SIGNATURE_QUERY bytes */
enum { SIGNATURE_QUERY = 128 };
void signer_sign(const struct signer *s, const char *key, int64_t expires_s,
                 char ret[static SIGNATURE_QUERY]);
/* 0; NOT_FOUND for a wrong or missing (NULL) signature, compared in constant time; GONE for a right one that
 * has expired (now_s ≥ expires). Any thread. */
int signer_check(const struct signer *s, const char *key, const char *expires, const char *signature,
                 int64_t now_s) MUST_CHECK;
