/* pages.h: answers that need a file of their own. Front threads. */
#pragma once

#include "http/server/http.h"
#include "limiter/rate.h"
#include "web/web.h"

/* GET /files/{key}?expires&signature: the stored bytes, with ranges and validators. Answers at once. */
void page_file(struct web *w, struct exchange *x);

/* GET /metrics: JSON, or a Prometheus format by Accept or ?format. Answers at once. */
struct metrics_page *metrics_page_new(void) MUST_CHECK;
void metrics_page_free(struct metrics_page *p); /* accepts NULL */
void page_metrics(struct web *w, struct exchange *x);

/* GET /openapi.json, with a validator. */
void page_openapi(struct web *w, struct exchange *x);

/* GET /api/manifest?category&target&page&page_size, and POST /api/presign {"pack_id","key"}. rate: where the
 * caller stands; limit 0: not limited. Called when the request is complete; answer now, or suspend the
 * exchange and answer from the core. */
void page_manifest(struct web *w, struct exchange *x, const struct rate_state *rate);
void page_presign(struct web *w, struct exchange *x, struct blob *body, const struct rate_state *rate);

/* Does the client have what this ETag stands for ("…" with its quotes, without W/)? */
bool page_unchanged(const struct exchange *x, const char *etag);
void page_rate_headers(struct reply *r, const struct rate_state *rate);

/* METRICS_TOKEN, if there is one: 0 or UNAUTHORIZED. */
int page_metrics_token(const struct web *w, const struct exchange *x, struct error *e) MUST_CHECK;

/* GET /metrics/history?feature&from&to&step&percentiles, called as page_manifest is. */
void page_history(struct web *w, struct exchange *x, const struct rate_state *rate);

/* POST /cache/flush?warm */
void page_flush(struct web *w, struct exchange *x);

/* POST /hooks/replicate */
void page_hook(struct web *w, struct exchange *x, struct blob *body);

/* One range of a Range header (RFC 9110 §14): 0 and the bytes meant; 1: no usable range, send all of it;
 * -ERR_RANGE_NOT_SATISFIABLE. */
int range_parse(const char *header, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length);
