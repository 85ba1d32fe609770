#include "predict/replicate_answer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "predict/replicate_json.h"

enum { LOG_TAIL = 64 << 10, ERROR_WINDOW = 4096 };

static enum replicate_status status_of(const char *word)
{
    static const struct {
        const char *word;
        enum replicate_status status;
    } words[] = {
        {"starting", REPLICATE_STARTING},   {"processing", REPLICATE_PROCESSING},
        {"succeeded", REPLICATE_SUCCEEDED}, {"successful", REPLICATE_SUCCEEDED},
        {"failed", REPLICATE_FAILED},       {"canceled", REPLICATE_CANCELED},
        {"cancelled", REPLICATE_CANCELED},  {"aborted", REPLICATE_ABORTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].status;
    return REPLICATE_UNKNOWN;
}

static void take_id(const char *id, char *ret, size_t size)
{
    size_t len = strlen(id), good = 0;
    while (isalnum((unsigned char)id[good]) || id[good] == '-' || id[good] == '_')
        good++;
    if (good == len && len < size)
        memcpy(ret, id, len + 1);
}

/* An address is sent the token, so it must lie below the base. */
static void take_url(const json_t *urls, const char *key, const char *base_url, char *ret, size_t size)
{
    const char *url = replicate_json_text(urls, key);
    size_t len = strlen(url), base = strlen(base_url);
    if (len >= size || strncmp(url, base_url, base) != 0 || url[base] != '/')
        return;
    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] > '~')
            return;
    memcpy(ret, url, len + 1);
}

/* A string; or an object's detail or message; or whatever it is, as JSON. */
static void take_error(const json_t *error, const char *token, char *ret, size_t size)
{
    if (!error || json_is_null(error))
        return;
    const char *text = json_string_value(error);
    if (!text && *replicate_json_text(error, "detail"))
        text = replicate_json_text(error, "detail");
    if (!text && *replicate_json_text(error, "message"))
        text = replicate_json_text(error, "message");
    if (text) {
        replicate_excerpt(text, strlen(text), token, ret, size);
        return;
    }
    char dump[ERROR_WINDOW];
    size_t n = json_dumpb(error, dump, sizeof(dump), JSON_COMPACT | JSON_ENCODE_ANY);
    if (n > sizeof(dump))
        snprintf(ret, size, "an error too long to be read");
    else
        replicate_excerpt(dump, n, token, ret, size);
}

/* " 45%|####5     | 9/20 [00:03<…": tqdm's line. */
static bool progress_line(const char *line, size_t len, struct replicate_answer *a)
{
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)MIN(len, sizeof(text) - 1), line);
    const char *at = text + strspn(text, " \t");
    if (!isdigit((unsigned char)*at))
        return false;
    char *end;
    unsigned long percent = strtoul(at, &end, 10);
    if (*end != '%')
        return false;
    end += 1 + strspn(end + 1, " \t");
    const char *bar = *end == '|' ? strchr(end + 1, '|') : NULL;
    if (!bar || bar == end + 1)
        return false;
    at = bar + 1 + strspn(bar + 1, " \t");
    if (!isdigit((unsigned char)*at))
        return false;
    unsigned long step = strtoul(at, &end, 10);
    if (*end != '/' || !isdigit((unsigned char)end[1]))
        return false;
    unsigned long steps = strtoul(end + 1, NULL, 10);
    a->percent = (int)MIN(percent, 100UL);
    a->step = (unsigned)MIN(step, 1000000000UL);
    a->steps = (unsigned)MIN(steps, 1000000000UL);
    return true;
}

/* The last progress line near the end of the logs. Lines end in \n or, while a bar moves, in \r; the JSON
 * reader keeps both where they were escaped. */
static void take_progress(const json_t *logs, struct replicate_answer *a)
{
    if (!json_is_string(logs))
        return;
    const char *text = json_string_value(logs);
    size_t end = json_string_length(logs), least = end > LOG_TAIL ? end - LOG_TAIL : 0;
    while (end > least) {
        size_t begin = end;
        while (begin > least && text[begin - 1] != '\n' && text[begin - 1] != '\r')
            begin--;
        if (progress_line(text + begin, end - begin, a))
            return;
        end = begin > least ? begin - 1 : least;
    }
}

static double predict_time_s(const json_t *metrics)
{
    const json_t *j = json_object_get(metrics, "predict_time");
    double s = json_is_number(j) ? json_number_value(j) : -1;
    return isfinite(s) && s >= 0 && s <= 7 * 86400.0 ? s : -1;
}

static int refuse(const struct replicate_reply *reply, const char *why, struct error *e)
{
    if (reply->call == REPLICATE_CALL_CREATE)
        return error_set(e, ERR_UNKNOWN_OUTCOME, "%s", "");
    return error_set(e, ERR_UPSTREAM, "The model's server sent %s", why);
}

int replicate_answer_read(const struct replicate_reply *reply, const char *base_url,
                          struct replicate_answer *ret, struct error *e)
{
    CHECK(reply->status >= 200 && reply->status <= 299);
    json_t *document = replicate_json_read(reply->body, reply->size);
    if (!json_is_object(document)) {
        json_decref(document);
        return refuse(reply, "an answer that cannot be read", e);
    }
    struct replicate_answer a = {.percent = -1, .document = document};
    take_id(replicate_json_text(document, "id"), a.id, sizeof(a.id));
    a.status = status_of(replicate_json_text(document, "status"));
    const json_t *completed_at = json_object_get(document, "completed_at");
    a.completed = completed_at && !json_is_null(completed_at);
    a.data_removed = json_is_true(json_object_get(document, "data_removed"));
    const json_t *output = json_object_get(document, "output");
    a.output = json_is_null(output) ? NULL : output;
    const json_t *urls = json_object_get(document, "urls");
    take_url(urls, "get", base_url, a.get_url, sizeof(a.get_url));
    take_url(urls, "cancel", base_url, a.cancel_url, sizeof(a.cancel_url));
    take_error(json_object_get(document, "error"), reply->token, a.error, sizeof(a.error));
    take_progress(json_object_get(document, "logs"), &a);
    a.predict_time_s = predict_time_s(json_object_get(document, "metrics"));
    bool over = a.completed || a.status > REPLICATE_PROCESSING;
    if (!a.id[0] && !over) { /* nothing could be asked about it */
        replicate_answer_release(&a);
        return refuse(reply, "a prediction without an id", e);
    }
    *ret = a;
    return 0;
}

void replicate_answer_release(struct replicate_answer *a)
{
    json_decref(a->document);
    a->document = NULL;
    a->output = NULL;
}

/* null, "", [], {}, and lists of nothing else. The depth is bounded by the reader. */
static bool is_empty(const json_t *j)
{
    if (!j || json_is_null(j))
        return true;
    if (json_is_string(j))
        return json_string_length(j) == 0;
    if (json_is_object(j))
        return json_object_size(j) == 0;
    if (!json_is_array(j))
        return false;
    for (size_t i = 0; i < json_array_size(j); i++)
        if (!is_empty(json_array_get(j, i)))
            return false;
    return true;
}

static enum replicate_why failure(const char *text)
{
    static const char *const filtered[] = {"nsfw",           "flagged as sensitive", "content policy",
                                           "content filter", "safety filter",        "safety checker",
                                           "E005)"};
    static const char *const platform[] = {"E6716", "E8367", "E8765", "E9243", "E9825", "E9828", "code: PA"};
    for (size_t i = 0; i < ARRAY_LEN(filtered); i++)
        if (strcasestr(text, filtered[i]))
            return REPLICATE_WHY_FILTERED;
    for (size_t i = 0; i < ARRAY_LEN(platform); i++)
        if (strstr(text, platform[i]))
            return REPLICATE_WHY_PLATFORM;
    return REPLICATE_WHY_MODEL;
}

static void fail(const struct replicate_answer *a, const struct replicate_asked *asked,
                 enum replicate_why why, struct replicate_verdict *ret)
{
    ret->next = REPLICATE_FAIL;
    ret->why = why;
    struct error *e = &ret->err;
    switch (why) {
    case REPLICATE_WHY_FILTERED:
        error_set(e, ERR_CONTENT_FILTERED, "%s", "");
        break;
    case REPLICATE_WHY_ABORTED:
        error_set(e, ERR_DEADLINE, "The model did not start in time");
        break;
    case REPLICATE_WHY_CANCELED:
        if (asked->cancel_after)
            error_set(e, ERR_DEADLINE, "The model did not finish in time");
        else
            error_set(e, ERR_UPSTREAM, "The model run was canceled");
        break;
    case REPLICATE_WHY_EMPTY_OUTPUT:
        error_set(e, ERR_UPSTREAM, "The model gave no output");
        break;
    case REPLICATE_WHY_DATA_REMOVED:
        error_set(e, ERR_UPSTREAM, "The model's output has been deleted already");
        break;
    case REPLICATE_WHY_PLATFORM:
        if (asked->tries_left > 0)
            ret->next = REPLICATE_RETRY_NEW;
        /* fall through */
    case REPLICATE_WHY_MODEL:
    case REPLICATE_WHY_NONE:
        error_set(e, ERR_UPSTREAM, "The model run failed%s%s", a->error[0] ? ": " : " without saying why",
                  a->error);
        break;
    }
}

/* Succeeded, by its status or because it has ended with an output. */
static void settle_output(const struct replicate_answer *a, const struct replicate_asked *asked,
                          struct replicate_verdict *ret)
{
    if (!is_empty(a->output))
        *ret = (struct replicate_verdict){.next = REPLICATE_DONE, .billed = true};
    else if (a->data_removed)
        fail(a, asked, REPLICATE_WHY_DATA_REMOVED, ret);
    else if (a->error[0])
        fail(a, asked, failure(a->error), ret);
    else
        fail(a, asked, REPLICATE_WHY_EMPTY_OUTPUT, ret);
}

void replicate_answer_next(const struct replicate_answer *a, const struct replicate_asked *asked,
                           struct replicate_verdict *ret)
{
    *ret = (struct replicate_verdict){.next = REPLICATE_POLL, .billed = true};
    switch (a->status) {
    case REPLICATE_SUCCEEDED:
        settle_output(a, asked, ret);
        return;
    case REPLICATE_FAILED:
        fail(a, asked, failure(a->error), ret);
        return;
    case REPLICATE_CANCELED:
        fail(a, asked, REPLICATE_WHY_CANCELED, ret);
        return;
    case REPLICATE_ABORTED:
        ret->billed = false;
        fail(a, asked, REPLICATE_WHY_ABORTED, ret);
        return;
    case REPLICATE_PROCESSING:
        /* The files of a synchronous create are ready before the books are. */
        if (asked->prefer && !asked->iterator && !is_empty(a->output))
            ret->next = REPLICATE_DONE;
        return;
    case REPLICATE_STARTING:
        return;
    case REPLICATE_UNKNOWN:
        if (a->completed)
            settle_output(a, asked, ret);
        return;
    }
}

const char *replicate_why_name(enum replicate_why why)
{
    static const char *const names[] = {"none",     "model_failed", "platform_failed", "content_filtered",
                                        "canceled", "aborted",      "empty_output",    "data_removed"};
    CHECK((unsigned)why < ARRAY_LEN(names));
    return names[why];
}
