/* job_wish.h: inside of 010. Whether a request wishes to be a job: Prefer (RFC 7240) with respond-async and
 * wait, ?async=1, Idempotency-Key, and the field callback_url. */
#pragma once

#include <stdbool.h>

#include "http/server/http.h"
#include "request/request.h"

/* What the headers and the query say. Fills req->err: an Idempotency-Key that is none. */
int job_wish_read(struct request *req, const struct exchange *x) MUST_CHECK;
/* The fields that are about the job leave the list of fields. Fills req->err likewise. */
int job_wish_take(struct request *req) MUST_CHECK;
bool job_wish_has_field(const char *name);
/* The key of an Idempotency-Key header, without its quotes, in a; NULL: it is none. */
const char *job_key_read(const char *header, struct arena *a);
bool job_callback_ok(const char *url); /* an http or https address; NULL: not */
bool job_wanted(const struct request *req);

/* The two preferences of a Prefer header, of all its lines. wait_s stays as it was if there is none. */
void job_prefer_parse(const char *header, bool *ret_async, int64_t *ret_wait_s);
