#include "predict/replicate_lookup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "predict/replicate_json.h"

enum { CLOCKS_DIFFER_S = 60 };

void replicate_lookup_path(int64_t since_s, char *ret, size_t size)
{
    time_t t = (time_t)(since_s - CLOCKS_DIFFER_S);
    struct tm tm;
    CHECK(gmtime_r(&t, &tm));
    CHECK(strftime(ret, size, "/predictions?created_after=%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
}

enum likeness { OTHER, DOUBTFUL, OURS, MARKED };

/* An inline picture may come back as the address of what became of it. */
static bool told_otherwise(const json_t *ours, const json_t *theirs)
{
    const char *sent = json_string_value(ours), *told = json_string_value(theirs);
    return sent && strncmp(sent, "data:", 5) == 0 && (!told || strncmp(told, "data:", 5) != 0);
}

/* theirs may have more: what the model fills in by itself. */
static enum likeness same_input(const json_t *ours, const json_t *theirs)
{
    enum likeness found = OURS;
    const char *key;
    json_t *value;
    if (!json_is_object(theirs))
        return OTHER;
    json_object_foreach((json_t *)(uintptr_t)ours, key, value)
    {
        const json_t *told = json_object_get(theirs, key);
        if (json_equal(value, told))
            continue;
        if (!told_otherwise(value, told))
            return OTHER;
        found = DOUBTFUL;
    }
    return found;
}

bool replicate_id_ok(const char *id)
{
    size_t n = 0;
    while (isalnum((unsigned char)id[n]) || id[n] == '-' || id[n] == '_')
        n++;
    return n > 0 && n <= REPLICATE_ID_MAX && id[n] == '\0';
}

/* The address before it may have changed since. NULL: it has none. */
static const char *mark_of(const json_t *prediction)
{
    return strstr(replicate_json_text(prediction, "webhook"), REPLICATE_MARK);
}

static const char *version_of(const json_t *sent, const struct replicate_wanted *wanted)
{
    return wanted->version ? wanted->version : replicate_json_text(sent, "version");
}

/* Another run's, of an earlier process perhaps, looks the same; and if it is ours there is nothing to be had
 * from it. */
static bool came_to_nothing(const json_t *entry)
{
    static const char *const ends[] = {"failed", "canceled", "aborted"};
    const char *status = replicate_json_text(entry, "status");
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (strcmp(status, ends[i]) == 0)
            return true;
    return false;
}

static enum likeness by_content(const json_t *entry, const json_t *sent,
                                const struct replicate_wanted *wanted)
{
    const char *version = version_of(sent, wanted);
    bool other_version = *version && strcmp(replicate_json_text(entry, "version"), version) != 0;
    if (other_version && !wanted->any_version)
        return OTHER;
    enum likeness like = same_input(json_object_get(sent, "input"), json_object_get(entry, "input"));
    return like == OURS && other_version ? DOUBTFUL : like;
}

static enum likeness compare(const json_t *entry, const json_t *sent, const struct replicate_wanted *wanted)
{
    const char *id = replicate_json_text(entry, "id"), *model = replicate_json_text(entry, "model");
    const char *mark = wanted->unmarked ? NULL : mark_of(sent), *their_mark = mark_of(entry);
    bool by_model = *model && *wanted->model;
    if (by_model ? strcmp(model, wanted->model) != 0 : !*version_of(sent, wanted) && !*wanted->deployment)
        return OTHER;
    if (*wanted->deployment && strcmp(replicate_json_text(entry, "deployment"), wanted->deployment) != 0)
        return OTHER;
    enum likeness like = mark && their_mark ? (strcmp(mark, their_mark) == 0 ? MARKED : OTHER)
                                            : by_content(entry, sent, wanted);
    /* Last, as it may take a while. */
    return like == OTHER || !replicate_id_ok(id) || wanted->taken(wanted->ctx, id) ? OTHER : like;
}

/* The token is sent there. */
static bool below(const char *url, const char *base_url)
{
    size_t base = strlen(base_url);
    return strncmp(url, base_url, base) == 0 && (url[base] == '/' || url[base] == '?') &&
           !strpbrk(url, " \t\r\n");
}

int replicate_lookup_read(const struct replicate_reply *reply, const char *base_url,
                          const struct replicate_wanted *wanted, struct replicate_found *ret, struct error *e)
{
    JSON_ON_EXIT json_t *page = replicate_json_read(reply->body, reply->size);
    JSON_ON_EXIT json_t *sent = replicate_json_read(wanted->body->data, wanted->body->size);
    const json_t *results = json_object_get(page, "results");
    CHECK(json_is_object(sent));
    if (!json_is_array(results))
        return error_set(e, ERR_UPSTREAM, "The model's server sent a list that cannot be read");
    struct replicate_found found = {0};
    for (size_t i = 0; i < json_array_size(results) && !found.id[0]; i++) {
        const json_t *entry = json_array_get(results, i);
        enum likeness like = compare(entry, sent, wanted);
        bool vain = like != MARKED && came_to_nothing(entry);
        char *id = like >= OURS ? (vain ? found.vain : found.id) : NULL;
        found.doubtful |= like == DOUBTFUL && !vain;
        if (id && !*id)
            snprintf(id, sizeof(found.id), "%s", replicate_json_text(entry, "id"));
    }
    const char *next = replicate_json_text(page, "next");
    if (!found.id[0] && strlen(next) < sizeof(found.next) && below(next, base_url))
        snprintf(found.next, sizeof(found.next), "%s", next);
    found.cut = *next && !found.next[0];
    *ret = found;
    return 0;
}
