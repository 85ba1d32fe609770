/* s3_call.h: one request to the bucket: signed anew each time it is sent, tried again where that may help,
 * and judged. Private to src/store/s3*.c. Core thread.
 *
 * Order: zeroed memory; s3_call_init; set what is sent; s3_call_send; `done` once; s3_call_release (in done:
 * the memory is its owner's again). After done the call may also be changed and sent once more. */
#pragma once

#include <pthread.h>

#include "base/digest.h"
#include "base/list.h"
#include "base/rng.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"
#include "store/store.h"

enum { S3_URL_MAX = 8192, S3_QUERY_MAX = 6, S3_ANSWER_MAX = 64 << 10, S3_HEADERS_MAX = 2 };

struct s3 {
    struct store store;
    struct loop_uv *uv;
    struct lane *lane;
    struct http_client_pool *pool;
    char *endpoint; /* "https://host:port" */
    const char *host;
    char *bucket, *access_key, *secret, *region;
    int checksum;
    unsigned retries;
    uint32_t timeout_ms;
    struct rng rng;
    struct list live; /* of struct s3_call */
    struct timer recheck;
    bool starting, closing; /* loop_uv_run is ours: until the check has ended; until `live` is empty */
    pthread_mutex_t mutex;  /* over health */
    struct error health;
};

struct s3_call {
    struct http_call http;
    struct timer pause;
    struct list node;
    struct s3 *s3;
    void (*done)(struct s3_call *c, int r); /* c->err is filled, for operators, if r < 0 */
    void *owner;                            /* the owner's own */
    /* what is sent */
    const char *method;
    char *path;                               /* "/bucket/name"; the call's */
    struct sigv4_pair query[S3_QUERY_MAX];    /* texts are the owner's */
    struct sigv4_pair header[S3_HEADERS_MAX]; /* the same */
    unsigned query_count, header_count;
    struct blob *body;            /* a reference of its own; NULL: none */
    char payload[DIGEST_HEX + 1]; /* the body's digest */
    uint64_t answer_max_bytes;    /* of an answer that is no error */
    struct patience patience;
    /* what goes on */
    bool sending, pausing, cancelled;
    char date[SIGV4_DATE];
    struct buf url, authorization;
    struct s3_xml_error said; /* by the server; code "" if nothing */
    struct error err;
};

static inline struct s3 *s3_of(struct store *s)
{
    return CONTAINER_OF(s, struct s3, store);
}

/* name: of an object; NULL: the bucket itself. */
void s3_call_init(struct s3_call *c, struct s3 *s3, const char *method, const char *name,
                  void (*done)(struct s3_call *c, int r));
void s3_call_release(struct s3_call *c);
void s3_call_send(struct s3_call *c);   /* done never comes inside */
void s3_call_cancel(struct s3_call *c); /* done comes soon: inside, if the call pauses */

struct sigv4_request s3_request(const struct s3 *s3, const char *method, const char *path,
                                const char *payload);
/* What the caller of an operation is told: what failed and the server's word for it, not how we are set up.
 * Returns the code. */
int s3_call_tell(const struct s3_call *c, int r, const char *what, struct error *ret);
/* The server may have acted on what was sent, but has not said so. */
bool s3_call_in_doubt(const struct s3_call *c);

void s3_put(struct store *s, struct store_put *p);      /* s3_put.c */
int s3_remove(struct store *s, const char *key);        /* s3_put.c */
void s3_get(struct store *s, struct store_get *g);      /* s3_get.c */
void s3_list(struct store *s, struct store_list *list); /* s3_list.c */
