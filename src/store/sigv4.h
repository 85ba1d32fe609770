/* sigv4.h: AWS Signature Version 4, as S3, R2 and their kin check it. Pure functions: no clock, no I/O,
 * nothing kept. Any thread.
 *
 * Names, values and the path are given plain; they are encoded once here, in the URL and in what is signed
 * alike, and the path is never tidied ("//" and "/./" stay; libcurl must be told so, CURLOPT_PATH_AS_IS).
 *
 * A signed request is sent with:
 *   URL            sigv4_path, then "?" and sigv4_query if there is a query
 *   headers        those of the struct, Authorization: sigv4_authorization, x-amz-date: sigv4_date, and for
 *                  service "s3" x-amz-content-sha256: the payload
 * A presigned one needs no headers but those of the struct: sigv4_path, "?", sigv4_presign.
 * The host must be just what goes out as Host, with the port if the scheme's own is not used.
 *
 * Results are appended to ret, which keeps its text on failure. 0; INTERNAL for what cannot be signed: a
 * forbidden character, a name that is the signer's own, a limit of below passed, no room in ret. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

enum {
    SIGV4_PAIRS_MAX = 32,      /* headers, and query pairs */
    SIGV4_INPUT_MAX = 16384,   /* bytes of all that is given, together */
    SIGV4_PATH_MAX = 2048,     /* bytes: S3's longest key is 1024 */
    SIGV4_SECRET_MAX = 256,    /* bytes */
    SIGV4_EXPIRES_MAX = 604800 /* seconds: a week, the protocol's own limit */
};

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD" /* over TLS only */
#define SIGV4_EMPTY_PAYLOAD    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_pair {
    const char *name;
    const char *value; /* "" for a query name alone */
};

struct sigv4_request {
    const char *method;              /* "GET" */
    const char *host;                /* "bucket.example.com", "127.0.0.1:9000" */
    const char *path;                /* "/bucket/a key.png" */
    const struct sigv4_pair *query;  /* any order; NULL if none */
    const struct sigv4_pair *header; /* to be signed, beside Host and those named above; a name given twice is
                                      * signed as one, values joined with commas. A session token: here, or in
                                      * query for a presigned request */
    size_t query_count;
    size_t header_count;
    const char *payload; /* the body's SHA-256 in hex, or SIGV4_UNSIGNED_PAYLOAD, which presigned requests to
                          * S3 need */
    const char *access_key;
    const char *secret;
    const char *region;  /* "us-east-1"; "auto" for R2 */
    const char *service; /* "s3" */
    int64_t time_s;      /* since 1970 */
};

enum { SIGV4_DATE = 17 };
/* 20130524T000000Z; INTERNAL before 1970 and after 9999 */
int sigv4_date(int64_t time_s, char ret[static SIGV4_DATE]) MUST_CHECK;

int sigv4_path(const char *path, struct buf *ret) MUST_CHECK;
int sigv4_query(const struct sigv4_pair *query, size_t count, struct buf *ret) MUST_CHECK; /* no "?" */

int sigv4_authorization(const struct sigv4_request *r, struct buf *ret) MUST_CHECK;
/* The whole query, the request's own pairs included, without "?"; 1 ≤ expires_s ≤ SIGV4_EXPIRES_MAX. */
int sigv4_presign(const struct sigv4_request *r, unsigned expires_s, struct buf *ret) MUST_CHECK;

/* What was signed, to be laid beside the server's own in a SignatureDoesNotMatch; expires_s: 0 for a request
 * signed in its headers. */
int sigv4_canonical(const struct sigv4_request *r, unsigned expires_s, struct buf *ret) MUST_CHECK;
int sigv4_to_sign(const struct sigv4_request *r, unsigned expires_s, struct buf *ret) MUST_CHECK;
