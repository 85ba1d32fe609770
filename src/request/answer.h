/* answer.h: the JSON of a finished request, in the contract's shape. */
#pragma once

#include "base/buf.h"
#include "base/macros.h"
#include "http/server/http.h"
#include "request/request.h"

/* How the links of a result are made. */
struct answer_links {
    unsigned expires_s;
    bool list; /* there are, or could have been, several pictures */
};

/* base_url: where the client reaches this server, without a slash at the end. */
struct reply *answer_reply(const struct request *req, const struct exchange *x,
                           const char *base_url) MUST_CHECK;

/* The two halves of a success, as JSON objects: where the pictures are, and how they came about. */
struct answer_links answer_links_of(const struct request *req, const struct result *r);
void answer_data(struct buf *b, const struct services *svc, const struct result *r,
                 const struct answer_links *how, const char *base_url);
void answer_meta(struct buf *b, const struct request *req, const struct result *r);
