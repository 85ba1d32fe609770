/* store.h: where results live. One contract, several drivers (disk; S3 and R2); test/contract runs
 * the same suite on each.
 *
 * Keys look like clarity/2026-11-23/uuid.png: 1–512 of [A-Za-z0-9._/-]; a part between slashes is 1–255 long
 * and does not begin with a dot (so neither "." nor ".." nor a driver's own hidden files). A put is all or
 * nothing: readers see the whole object or none, and one that replaces an object shows the old or the new
 * one. Operations start on the core thread and complete there through their op (loop/op.h): never inside
 * start, exactly once. A put may be cancelled: it then ends soon, as CLIENT_GONE with nothing stored, or as
 * it would have ended anyway. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/macros.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "tables/error.h"

enum { STORE_KEY_MAX = 512 };

struct store_put {
    struct op op;    /* result: 0, or a negative ERR_ with err filled: STORAGE_FULL, QUEUE_FULL (too many puts
                      * wait), UPSTREAM, INTERNAL (a key that is not valid too), CLIENT_GONE (cancelled) */
    const char *key; /* the caller's, until complete */
    const char *content_type;
    struct blob *body; /* the caller's reference, until complete */
    struct error err;
    void *driver_state;  /* the driver's own, until complete */
    struct message mail; /* of store_put_refuse */
};

struct store;

struct store_ops {
    const char *name; /* "disk" */
    /* Starts it: the key is valid and op_begin has been called; sets p->op.cancel if it can be hurried. */
    void (*put)(struct store *s, struct store_put *p);
    /* 0 or NOT_FOUND (absent, or no valid key), else INTERNAL, UPSTREAM. A driver over the network only
     * starts it, and does not tell whether the object was there. Core thread; disk: blocking, any thread. */
    int (*remove)(struct store *s, const char *key);
    /* Opens for reading: for drivers that serve files themselves; else NULL. Results as remove. Blocking, any
     * thread. */
    int (*open)(struct store *s, const char *key, int *ret_fd, uint64_t *ret_size, int64_t *ret_modified_s);
    /* 0 when results can be stored: disk writes and removes a small file, s3 tells how its last write of the
     * object "limner-check" went, a minute ago at most. May block; any thread. */
    int (*check)(struct store *s, struct error *e);
    /* Appends the address of an object, signed to work for so long, or (0) unsigned. 0 or INTERNAL. NULL: the
     * objects are reached through our own /files. Any thread. */
    int (*link)(struct store *s, const char *key, unsigned expires_s, struct buf *ret);
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
    const char *region; /* "auto": what suits the endpoint */
    unsigned retries;
    uint32_t timeout_ms; /* of each try */
};

/* Asks the bucket first, running the loop for it, so before anybody else does: a missing bucket, refused
 * credentials and a server that cannot be reached fail the start. Bodies are hashed on lane. */
int store_s3_new(const struct s3_config *config, struct loop_uv *uv, struct lane *lane, struct store **ret,
                 struct error *e) MUST_CHECK;
void store_free(struct store *s); /* accepts NULL; after the last put; s3 runs the loop to end what is left */

void store_put_start(struct store *s, struct store_put *p, op_done_fn *on_done);
/* For drivers: ends a put that could not be started, from the mailbox, so not inside its start. */
void store_put_refuse(struct store_put *p, enum err code, const char *reason);

bool store_key_valid(const char *key);
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
