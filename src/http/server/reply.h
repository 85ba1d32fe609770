/* reply.h: what a reply holds, and the two ways it goes out: as a libmicrohttpd response, or as bytes written
 * straight to the socket where libmicrohttpd cannot answer (in the middle of a body, before a request). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "http/server/http.h"

struct MHD_Response;
struct MHD_Connection;
struct conn;
struct reply_about;

enum { REPLY_HEADERS_MAX = 24, REPLY_WIRE_MAX = 16384 };

struct reply_header {
    const char *name;
    const char *value;
};

/* Who makes a reply's body as it goes along, or takes the connection over. */
struct reply_source {
    /* Front thread; takes ctx. NULL: out of memory, and ctx is let go of. */
    struct MHD_Response *(*response)(void *ctx, const struct reply_about *about);
    void (*drop)(void *ctx); /* the reply never went out */
};

struct reply {
    int status;
    struct arena arena; /* header texts */
    struct reply_header headers[REPLY_HEADERS_MAX];
    unsigned header_count;
    struct blob *body; /* NULL: none, or a file */
    int fd;            /* -1: no file */
    uint64_t offset;
    uint64_t length;
    const struct reply_source *source; /* NULL: a body or a file */
    void *source_ctx;
};

/* What every reply carries beside its own headers. */
struct reply_about {
    struct conn *conn; /* for a source: whose it is. NULL where there is none */
    struct MHD_Connection *mhd;
    bool http11;
    const char *request_id;
    const char *cors_origins; /* the option */
    const char *origin;       /* the request's; NULL: none */
    bool close;               /* say Connection: close */
    bool head;                /* headers only */
};

uint64_t reply_bytes(const struct reply *r);
bool cors_allows(const char *cors_origins, const char *origin);

/* Takes r apart: the response owns body or file. NULL: out of memory. */
struct MHD_Response *reply_response(struct reply *r, const struct reply_about *about) MUST_CHECK;

/* The whole reply as HTTP/1.1 bytes. A file or source is left out: such replies are for what libmicrohttpd
 * can answer. */
int reply_wire(const struct reply *r, const struct reply_about *about, struct buf *ret) MUST_CHECK;

/* Writes an error to a socket that libmicrohttpd is not writing to, as far as the socket takes it at once. */
void reply_last_words(int fd, const struct reply *r, const struct reply_about *about);
