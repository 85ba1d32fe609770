/* Putting into the bucket, and removing.
 *
 * Happy path: a lane thread takes the body's digest, the core sends one PUT.
 * Failure modes: a put that failed or was cancelled while the server may have had it is followed by a DELETE
 * that nobody waits for. One that is cancelled while it is under way is not torn off: the server might store
 * it after that DELETE. Its caller is let go at once, and it is removed when the server has answered.
 * Invariant: `put` is NULL from the moment its caller has been told. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/mem.h"
#include "loop/lane.h"
#include "store/s3_call.h"
#include "tables/options.h"

enum { MD5_BYTES = 16, CHECKSUM_TEXT = 45 /* 32 bytes in base64, with the NUL */ };

struct s3_put {
    struct s3_call call;
    struct lane_job hash;
    struct store_put *put;
    bool hashing;
    char checksum[CHECKSUM_TEXT]; /* ""; none is sent */
    char key[STORE_KEY_MAX + 1];
    char content_type[STORE_TYPE_MAX + 1];
};

/* ---- remove: nobody waits ---- */

static void removed(struct s3_call *c, int r)
{
    (void)r; /* best effort: an unlisted object harms nobody */
    s3_call_release(c);
    free(c);
}

int s3_remove(struct store *s, const char *key)
{
    if (!store_key_valid(key))
        return -ERR_NOT_FOUND;
    struct s3_call *c = NEW(struct s3_call);
    s3_call_init(c, s3_of(s), "DELETE", key, removed);
    s3_call_send(c);
    return 0;
}

/* ---- put ---- */

static void tell(struct s3_put *w, int result)
{
    struct store_put *p = TAKE(w->put);
    p->driver_state = NULL;
    op_complete(&p->op, result);
}

static void put_free(struct s3_put *w)
{
    s3_call_release(&w->call);
    free(w);
}

static void put_done(struct s3_call *c, int r)
{
    struct s3_put *w = CONTAINER_OF(c, struct s3_put, call);
    if (s3_call_in_doubt(c) || (r == 0 && !w->put))
        s3_remove(&c->s3->store, w->key);
    if (w->put && r < 0)
        r = s3_call_tell(c, r, "The result could not be stored", &w->put->err);
    if (w->put)
        tell(w, r);
    put_free(w);
}

/* The SHA-256 is part of the signature anyway; not all servers compare it with what came, but with this
 * header they do. For those that know no such header there is the MD5, which is as much work again. */
static void take_checksum(struct s3_put *w, const uint8_t sha256[static DIGEST_BYTES])
{
    unsigned char *text = (unsigned char *)w->checksum, sum[MD5_BYTES];
    unsigned size = sizeof(sum);
    const struct blob *body = w->call.body;
    if (w->call.s3->checksum == S3_CHECKSUM_SHA256)
        EVP_EncodeBlock(text, sha256, DIGEST_BYTES);
    else if (w->call.s3->checksum == S3_CHECKSUM_MD5 &&
             EVP_Digest(body->data, body->size, sum, &size, EVP_md5(), NULL) == 1) /* FIPS has none */
        EVP_EncodeBlock(text, sum, MD5_BYTES);
}

static int run_hash(struct lane_job *job)
{
    struct s3_put *w = CONTAINER_OF(job, struct s3_put, hash);
    uint8_t digest[DIGEST_BYTES];
    digest_of(w->call.body->data, w->call.body->size, digest);
    hex_encode(digest, sizeof(digest), w->call.payload);
    take_checksum(w, digest);
    return 0;
}

static void hashed(struct op *op)
{
    struct s3_put *w = CONTAINER_OF(op, struct s3_put, hash.op);
    struct s3_call *c = &w->call;
    w->hashing = false;
    if (c->cancelled) {
        int r = error_set(&w->put->err, ERR_CLIENT_GONE, "Storing the result was cancelled");
        tell(w, r);
        put_free(w);
        return;
    }
    c->header[c->header_count++] = (struct sigv4_pair){"Content-Type", w->content_type};
    const char *name = c->s3->checksum == S3_CHECKSUM_MD5 ? "Content-MD5" : "x-amz-checksum-sha256";
    if (*w->checksum)
        c->header[c->header_count++] = (struct sigv4_pair){name, w->checksum};
    s3_call_send(c);
}

static void cancel_put(struct op *op)
{
    struct store_put *p = CONTAINER_OF(op, struct store_put, op);
    struct s3_put *w = p->driver_state;
    if (w->hashing) {
        w->call.cancelled = true;
        op_cancel(&w->hash.op);
    } else if (w->call.pausing) {
        s3_call_cancel(&w->call);
    } else {
        w->call.patience.tries_left = 0;
        tell(w, error_set(&p->err, ERR_CLIENT_GONE, "Storing the result was cancelled"));
    }
}

void s3_put(struct store *s, struct store_put *p)
{
    struct s3_put *w = NEW(struct s3_put);
    s3_call_init(&w->call, s3_of(s), "PUT", p->key, put_done);
    snprintf(w->key, sizeof(w->key), "%s", p->key);
    snprintf(w->content_type, sizeof(w->content_type), "%s", p->content_type);
    w->put = p;
    w->call.body = blob_ref(p->body);
    if (p->limit_ms)
        patience_begin(&w->call.patience, PATIENCE_TRIES_ANY, loop_now_ns(s->loop), p->limit_ms);
    if (lane_submit(s3_of(s)->lane, &w->hash, run_hash, hashed) < 0) {
        put_free(w);
        store_refuse(&p->refusal, &p->op, &p->err, ERR_QUEUE_FULL,
                     "Too many results are waiting to be stored");
        return;
    }
    w->hashing = true;
    p->driver_state = w;
    p->op.cancel = cancel_put;
}
