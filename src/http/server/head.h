/* head.h: what a request's headers say about how it is to be taken, and what makes it ambiguous. All texts
 * live as long as the request. Front thread. */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;

/* NULL: there was no such header. */
struct head {
    const char *content_length;
    const char *transfer_encoding;
    const char *host;
    const char *expect;
    const char *origin;
    const char *asked_method; /* of a preflight */
    const char *request_id;
    const char *fault; /* found by the walk; see head_fault */
};

void head_read(struct MHD_Connection *c, struct head *ret); /* one walk */
/* Why the request is refused; NULL: it is not. */
const char *head_fault(const struct head *h, const struct conn *c, bool http11);
int64_t head_length(const struct head *h); /* of the body; -1: chunked */
bool head_id_ok(const char *id, size_t most);
const char *head_path(const char *url); /* "GET http://host/path HTTP/1.1" is a path as well */
