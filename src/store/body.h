/* body.h: the bytes of one upload while its request lives: in memory while small and busy, in an unlinked
 * spool file (O_TMPFILE in DATA_DIR/spool) when large, when the process holds too much, or when the request
 * waits.
 *
 * Order: body_new, body_append…, then body_blob for use, body_spool before a long wait (drops the memory),
 * body_blob again, body_unref. The digest grows with the bytes. Ref-counted: a follower that joins a running
 * twin lets go of its own; the twins' shared entry holds the leader's. One owner thread at a time, except ref
 * and unref, and, once it is finished, blob and spool, which any thread may call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/digest.h"
#include "base/macros.h"
#include "tables/error.h"

struct body;
struct spool; /* the folder and the memory account; one a process */

int spool_new(const char *data_dir, uint64_t memory_max_bytes, uint64_t spool_above_bytes, struct spool **ret,
              struct error *e) MUST_CHECK;
void spool_free(struct spool *s); /* accepts NULL; after the last body and the last blob of one */
uint64_t spool_memory_bytes(const struct spool *s); /* held in memory by bodies and their blobs now */

/* expected: Content-Length if known, else 0; decides early where the bytes go. */
struct body *body_new(struct spool *s, uint64_t expected) MUST_CHECK;
/* Bytes that exist already (a shrunk picture, the command line); finished, takes a reference of its own,
 * counts in the memory account without being refused. Hashed only if body_digest is called, before any
 * body_spool. */
struct body *body_from_blob(struct spool *s, struct blob *b) MUST_CHECK;
struct body *body_ref(struct body *b);
void body_unref(struct body *b); /* accepts NULL */

/* STORAGE_FULL or INTERNAL; the body is then as it was. */
int body_append(struct body *b, const void *data, size_t size, struct error *e) MUST_CHECK;
void body_finish(struct body *b);           /* no more bytes; the digest is final */
const uint8_t *body_digest(struct body *b); /* SHA-256, after body_finish */
uint64_t body_size(const struct body *b);

/* The bytes as a blob (a new reference): memory, or the file mapped. After body_finish. */
int body_blob(struct body *b, struct blob **ret, struct error *e) MUST_CHECK;
/* Moves the bytes to the spool file and drops the memory (blobs handed out stay valid). Does nothing for a
 * body that is in a file already. On failure the bytes stay in memory. */
int body_spool(struct body *b, struct error *e) MUST_CHECK;
bool body_in_memory(const struct body *b);

/* ---- bodies that outlive the process ---- */

#define BODY_KEEP_PREFIX "half-" /* of names that are being written beside a kept one */

/* The bytes become the file path, whole or not at all; a file that is there is replaced. to_disk: it survives
 * a loss of power. After body_finish; blocking, any thread. */
int body_keep(struct body *b, const char *path, bool to_disk, struct error *e) MUST_CHECK;
/* A finished body of such a file; digest: its sum, which is taken for granted. NOT_FOUND: it is not there. */
int body_open(struct spool *s, const char *path, const uint8_t digest[static DIGEST_BYTES], struct body **ret,
              struct error *e) MUST_CHECK;
