#include "predict/replicate_error.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/utf8.h"
#include "http/client/client.h"
#include "predict/replicate_json.h"

enum { ERROR_BODY_MAX = 256 << 10, WINDOW = 4096 };

static void star_word(char *s)
{
    for (; isalnum((unsigned char)*s) || strchr("_-.~+/=", *s); s++) {
        if (*s == '\0')
            return;
        *s = '*';
    }
}

static void mask(char *s, const char *token)
{
    size_t len = token ? strlen(token) : 0;
    for (char *at = s; len > 0 && (at = strstr(at, token)); at += len)
        memset(at, '*', len);
    for (char *at = s; (at = strstr(at, "r8_")); at++)
        star_word(at);
    for (char *at = s; (at = strcasestr(at, "bearer ")); at += 7)
        star_word(at + 7);
}

void replicate_excerpt(const char *text, size_t len, const char *token, char *ret, size_t size)
{
    CHECK(size > 0 && size <= WINDOW / 4);
    /* Masked in a window far larger than what is kept, so that no half of a token is left at the end. */
    char window[WINDOW + 1];
    size_t n = MIN(len, (size_t)WINDOW);
    for (size_t i = 0; i < n; i++)
        window[i] = text[i] ? text[i] : ' ';
    window[n] = '\0';
    mask(window, token);
    size_t kept = MIN(n, size - 1);
    memcpy(ret, window, kept);
    ret[kept] = '\0';
    utf8_clean(ret);
}

static void excerpt_text(const char *text, const struct replicate_reply *reply, char *ret, size_t size)
{
    replicate_excerpt(text, strlen(text), reply->token, ret, size);
}

/* The number that follows word in text; -1: none. */
static int64_t number_behind(const char *text, const char *word)
{
    for (const char *at = text; (at = strcasestr(at, word)); at++) {
        const char *digits = at + strlen(word);
        if (!isdigit((unsigned char)*digits))
            continue;
        int64_t n = 0;
        for (; isdigit((unsigned char)*digits); digits++)
            n = MIN(n * 10 + (*digits - '0'), (int64_t)REPLICATE_WAIT_MAX_S + 1);
        if (strcmp(word, "~") == 0 ? *digits == 's' : strncasecmp(digits, " second", 7) == 0)
            return n;
    }
    return -1;
}

/* Seconds; 0: nobody said. Capped. */
static unsigned wait_s(const struct replicate_reply *reply, const json_t *body, const char *detail)
{
    int64_t s = http_retry_after_s(reply->retry_after, reply->now_s);
    if (s < 0 && json_is_number(json_object_get(body, "retry_after"))) {
        double told = json_number_value(json_object_get(body, "retry_after"));
        if (told >= 0)
            s = told > REPLICATE_WAIT_MAX_S ? REPLICATE_WAIT_MAX_S : (int64_t)(told + 0.999);
    }
    if (s < 0)
        s = number_behind(detail, "~");
    if (s < 0)
        s = number_behind(detail, "in ");
    if (s < 0)
        return 0;
    /* "at once" by the whole second still means within one; refused attempts count against the window too. */
    return (unsigned)MIN(MAX(s, 1), (int64_t)REPLICATE_WAIT_MAX_S);
}

static bool about_version(const char *title, const char *detail)
{
    return strcasestr(title, "Invalid version") || strcasestr(detail, "version does not exist");
}

/* "input.scale" → "scale", "input" → the field named first in the description, if it is one word. */
static void field_name(const char *field, const char *description, char *ret, size_t size)
{
    if (strncmp(field, "input.", 6) == 0)
        snprintf(ret, size, "%s", field + 6);
    else if (strcmp(field, "input") == 0 && strstr(description, " is required"))
        snprintf(ret, size, "%.*s", (int)MIN(strcspn(description, " "), size - 1), description);
    else if (strcmp(field, "input") != 0)
        snprintf(ret, size, "%s", field);
}

static bool about_shape(const char *type, const char *text)
{
    static const char *const words[] = {"required", "missing", "extra", "additional_property"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(type, words[i]))
            return true;
    return strcasestr(text, "required") != NULL;
}

/* What 422 says about the input, in any of its shapes. */
static void invalid_input(const struct replicate_reply *reply, const json_t *body,
                          struct replicate_problem *p)
{
    const json_t *detail = json_object_get(body, "detail");
    const json_t *first = json_array_get(json_object_get(body, "invalid_fields"), 0);
    const char *text = replicate_json_text(body, "detail"), *field = "", *type = "";
    if (first) { /* Replicate */
        field = replicate_json_text(first, "field");
        text = replicate_json_text(first, "description");
        type = replicate_json_text(first, "type");
    } else if (json_is_array(detail)) { /* Cog */
        const json_t *entry = json_array_get(detail, 0), *loc = json_object_get(entry, "loc");
        const char *last =
            json_string_value(json_array_get(loc, json_array_size(loc) ? json_array_size(loc) - 1 : 0));
        field = last ? last : "";
        text = replicate_json_text(entry, "msg");
        type = replicate_json_text(entry, "type");
    } else if (!*text) { /* Cog, refused while running */
        text = replicate_json_text(body, "error");
        p->refusal = *text ? REPLICATE_REFUSAL_RUN : REPLICATE_REFUSAL_NONE;
    }
    char name[64] = "", said[200];
    field_name(field, text, name, sizeof(name));
    if (p->refusal == REPLICATE_REFUSAL_NONE)
        p->refusal = !*name || about_shape(type, text) ? REPLICATE_REFUSAL_SHAPE : REPLICATE_REFUSAL_VALUE;
    text += strncmp(text, "- ", 2) == 0 ? 2 : 0;
    excerpt_text(text, reply, said, sizeof(said));
    for (size_t n = strlen(said); n > 0 && (said[n - 1] == '?' || said[n - 1] == ' '); n--)
        said[n - 1] = '\0'; /* line ends */
    p->advice = REPLICATE_STOP;
    error_set_field(&p->err, ERR_VALIDATION, name, "%s", said);
}

static void server_failed(const struct replicate_reply *reply, struct replicate_problem *p)
{
    if (reply->call == REPLICATE_CALL_CREATE) {
        p->advice = REPLICATE_LOOK_UP;
        error_set(&p->err, ERR_UNKNOWN_OUTCOME, "%s", "");
    } else {
        p->advice = REPLICATE_AGAIN;
        error_set(&p->err, ERR_UPSTREAM, "The model's server answered with status %d", reply->status);
    }
}

static void throttled(const struct replicate_reply *reply, const json_t *body, const char *detail,
                      struct replicate_problem *p)
{
    p->advice = REPLICATE_WAIT;
    p->low_credit = strcasestr(detail, "burst of 1") || strcasestr(detail, "less than $");
    error_set(&p->err, ERR_PROVIDER_UNAVAILABLE, "The model's server has too many requests");
    p->err.retry_after_s = wait_s(reply, body, detail);
}

static void by_status(const struct replicate_reply *reply, const json_t *body, struct replicate_problem *p)
{
    const char *title = replicate_json_text(body, "title"), *detail = replicate_json_text(body, "detail");
    p->advice = REPLICATE_STOP;
    switch (reply->status) {
    case 401:
    case 402:
    case 403: /* the operator's matter: the row's message must do for callers */
        p->advice = REPLICATE_BREAK;
        error_set(&p->err, ERR_PROVIDER_UNAVAILABLE, "%s", "");
        return;
    case 404:
        p->advice = reply->call == REPLICATE_CALL_CREATE ? REPLICATE_RESOLVE : REPLICATE_STOP;
        error_set(&p->err, reply->call == REPLICATE_CALL_CREATE ? ERR_PROVIDER_UNAVAILABLE : ERR_UPSTREAM,
                  "The model's server does not know this %s",
                  reply->call == REPLICATE_CALL_GET ? "run any more" : "model");
        return;
    case 413:
        p->advice = REPLICATE_USE_URL;
        error_set(&p->err, ERR_PAYLOAD_TOO_LARGE, "The picture is too large for the model's server");
        return;
    case 422:
        if (!about_version(title, detail)) {
            invalid_input(reply, body, p);
            return;
        }
        p->advice = reply->call == REPLICATE_CALL_CREATE ? REPLICATE_RESOLVE : REPLICATE_STOP;
        error_set(&p->err, ERR_PROVIDER_UNAVAILABLE, "The model's version is not available");
        return;
    case 429:
        throttled(reply, body, detail, p);
        return;
    default:
        break;
    }
    if (reply->status >= 500 || reply->status == 408) {
        server_failed(reply, p);
        p->err.retry_after_s = wait_s(reply, body, "");
        return;
    }
    /* A body that was cut off at the server's limit is reported so. */
    if (reply->status == 400 && strstr(detail, "request body as JSON: EOF"))
        p->advice = REPLICATE_USE_URL;
    error_set(&p->err, ERR_UPSTREAM, "The model's server answered with status %d", reply->status);
}

void replicate_error_read(const struct replicate_reply *reply, struct replicate_problem *ret)
{
    CHECK(reply->status < 200 || reply->status > 299);
    *ret = (struct replicate_problem){0};
    JSON_ON_EXIT json_t *body =
        reply->size <= ERROR_BODY_MAX ? replicate_json_read(reply->body, reply->size) : NULL;
    by_status(reply, body, ret);
    if (reply->size > 0)
        replicate_excerpt(reply->body, reply->size, reply->token, ret->excerpt, sizeof(ret->excerpt));
}
