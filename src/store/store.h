/* store.h: where results live. One contract, several drivers (disk now; S3 and R2 later); test/contract runs
 * the same suite on each.
 *
 * Keys look like clarity/2026-11-23/uuid.png: 1–512 of [A-Za-z0-9._/-], no empty, "." or ".." part. A put is
 * all or nothing: readers see the whole object or none. Operations start on the core thread and complete there
 * through their op (loop/op.h): never inside start, exactly once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "loop/op.h"
#include "tables/error.h"

enum { STORE_KEY_MAX = 512 };

struct store_put {
    struct op op;      /* result: 0 or negative ERR_ (STORAGE_FULL, UPSTREAM, INTERNAL), err filled */
    const char *key;   /* the caller's, until complete */
    const char *content_type;
    struct blob *body; /* the caller's reference, until complete */
    struct error err;
    void *driver_state; /* the driver's own, until complete */
};

struct store;

struct store_ops {
    const char *name; /* "disk" */
    void (*put)(struct store *s, struct store_put *p); /* starts it; op_begin has been called */
    int (*remove)(struct store *s, const char *key);   /* blocking; NOT_FOUND if absent */
    /* Opens for reading: for drivers that serve files themselves. Blocking, any thread. */
    int (*open)(struct store *s, const char *key, int *ret_fd, uint64_t *ret_size, int64_t *ret_modified_s);
    /* Writes and removes a small file: 0 when results can be stored. Blocking, any thread. */
    int (*check)(struct store *s, struct error *e);
    void (*free)(struct store *s);
};

struct store {
    const struct store_ops *ops;
};

struct loop;
struct lane;

/* DATA_DIR/objects. Writes run on lane: a temporary file, then rename. */
int store_disk_new(const char *data_dir, struct loop *loop, struct lane *lane, struct store **ret,
                   struct error *e) MUST_CHECK;
void store_free(struct store *s); /* accepts NULL */

void store_put_start(struct store *s, struct store_put *p, op_done_fn *on_done);

bool store_key_valid(const char *key);
/* prefix/YYYY-MM-DD/uuid.ext */
void store_key_make(const char *prefix, int64_t now_s, const char *ext, char ret[static STORE_KEY_MAX + 1]);

/* ---- signed links: /files/{key}?expires=unix&signature=hex ---- */

struct signer;

/* secret: the option's text, or NULL/"" to read or make DATA_DIR/signing-key (mode 0600). */
int signer_new(const char *secret, const char *data_dir, struct signer **ret, struct error *e) MUST_CHECK;
void signer_free(struct signer *s);
/* "expires=…&signature=…"; ret of ≥ SIGNATURE_QUERY bytes */
enum { SIGNATURE_QUERY = 128 };
void signer_sign(const struct signer *s, const char *key, int64_t expires_s, char ret[static SIGNATURE_QUERY]);
/* 0; NOT_FOUND for a wrong signature (told apart in constant time); GONE for an expired one. Any thread. */
int signer_check(const struct signer *s, const char *key, const char *expires, const char *signature,
                 int64_t now_s) MUST_CHECK;
