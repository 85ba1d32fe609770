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

/* A whole success but for whose it is: members of an object that is open. meta: as answer_meta has made it.
 */
void answer_success(struct buf *b, const struct services *svc, const struct result *r,
                    const struct answer_links *how, const char *base_url, const char *meta);

/* Where one stored object is, as members of an object: "key", "url", and "presigned_url" if "url" is not
 * signed; of what belongs to a comic it always is there, and of a page "url" is called "page_url". */
enum answer_names { ANSWER_DATA, ANSWER_COMIC, ANSWER_PAGE };
void answer_picture(struct buf *b, const struct services *svc, const char *key, enum answer_names names,
                    const struct answer_links *how, const char *base_url);
void answer_link(struct buf *b, const struct services *svc, const char *key, const char *name,
                 const struct answer_links *how, const char *base_url); /* the url alone, under that name */
