#include "request/job_wish.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/words.h"
#include "request/job_desk.h"

enum { IDEMPOTENCY_KEY_MAX = 255, CALLBACK_URL_MAX = 2048 };

static bool token_is(const struct word *w, const char *text)
{
    return w->len == strlen(text) && strncasecmp(w->at, text, w->len) == 0;
}

/* "wait=5" or "wait = \"5\"". A number that is none is as good as no preference (RFC 7240 §2). */
static void read_wait(const struct word *value, int64_t *ret)
{
    const char *at = value->at, *end = value->at + value->len;
    int64_t n = 0;
    if (at < end && *at == '"' && end[-1] == '"' && end - at >= 2)
        at++, end--;
    if (at == end || end - at > 9)
        return;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return;
        n = n * 10 + (*at - '0');
    }
    *ret = n;
}

void job_prefer_parse(const char *header, bool *ret_async, int64_t *ret_wait_s)
{
    const char *at = header, *end = header + strlen(header);
    while (at < end) {
        struct word w = word_next(&at, end, ',');
        const char *in = w.at, *stop = w.at + w.len;
        struct word preference = word_next(&in, stop, ';'); /* its parameters mean nothing here */
        const char *value = preference.at, *value_end = preference.at + preference.len;
        struct word name = word_next(&value, value_end, '=');
        struct word rest = word_next(&value, value_end, '\n');
        if (token_is(&name, "respond-async"))
            *ret_async = true;
        else if (token_is(&name, "wait"))
            read_wait(&rest, ret_wait_s);
    }
}

const char *job_key_read(const char *header, struct arena *a)
{
    size_t len = strlen(header);
    if (len >= 2 && header[0] == '"' &&
        header[len - 1] == '"') /* as the standard that is being made has it */
        header++, len -= 2;
    bool ok = len > 0 && len <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; ok && i < len; i++)
        ok = header[i] > 0x20 && header[i] < 0x7f;
    return ok ? arena_strndup(a, header, len) : NULL;
}

static int read_key(struct request *req, const char *header)
{
    req->ask.key = job_key_read(header, &req->arena);
    if (!req->ask.key)
        return error_set_field(&req->err, ERR_VALIDATION, "Idempotency-Key",
                               "An Idempotency-Key is 1 to %d visible characters of ASCII",
                               IDEMPOTENCY_KEY_MAX);
    return 0;
}

int job_wish_read(struct request *req, const struct exchange *x)
{
    if (!req->svc->desk)
        return 0;
    const char *prefer = exchange_header_list(x, "Prefer", &req->arena);
    const char *async = exchange_query(x, "async");
    const char *key = exchange_header(x, "Idempotency-Key");
    if (prefer)
        job_prefer_parse(prefer, &req->ask.async, &req->ask.wait_s);
    if (async)
        req->ask.async |= !*async || strcmp(async, "1") == 0 || strcmp(async, "true") == 0;
    return key ? read_key(req, key) : 0;
}

bool job_wish_has_field(const char *name)
{
    return strcmp(name, "callback_url") == 0 || strcmp(name, "async") == 0;
}

bool job_callback_ok(const char *url)
{
    bool ok = url && (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0) &&
              strlen(url) <= CALLBACK_URL_MAX;
    for (const char *p = url; ok && *p; p++)
        ok = *p > 0x20 && *p < 0x7f;
    return ok;
}

static int take_field(struct request *req, const struct field *f)
{
    if (strcmp(f->name, "async") == 0) {
        req->ask.async |= strcmp(f->value, "1") == 0 || strcmp(f->value, "true") == 0;
        return 0;
    }
    if (!*f->value)
        return 0;
    if (!job_callback_ok(f->value))
        return error_set_field(&req->err, req->feature->refusal, f->name,
                               "Expected is an http or https address of at most %d characters",
                               CALLBACK_URL_MAX);
    req->ask.callback = f->value;
    return 0;
}

int job_wish_take(struct request *req)
{
    int r = 0;
    for (struct field **at = &req->receive.fields; *at && r == 0;) {
        const struct field *f = *at;
        if (!job_wish_has_field(f->name)) {
            at = &(*at)->next;
            continue;
        }
        *at = f->next;
        r = req->svc->desk ? take_field(req, f) : 0;
    }
    return r;
}

/* Who gives an address to be told at does not wait for the answer too, unless it says so. */
bool job_wanted(const struct request *req)
{
    const struct services *svc = req->svc;
    return svc->desk && !req->job && req->client && *req->feature->route &&
           (req->ask.async || req->ask.wait_s >= 0 || req->ask.key || req->ask.callback);
}
