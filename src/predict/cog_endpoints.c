#include "predict/cog_endpoints.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"
#include "http/client/target.h"

static int refuse(const struct word *w, const char *why, struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, "COG_ENDPOINTS", "COG_ENDPOINTS: \"%.*s\" %s",
                           (int)MIN(w->len, (size_t)100), w->at, why);
}

static int no_such_feature(const struct word *w, struct error *e)
{
    char known[200] = "";
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (*feature_model_name(&features[i]))
            snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", *known ? ", " : "",
                     feature_model_name(&features[i]));
    char why[240];
    snprintf(why, sizeof(why), "is no feature; there are %s", known);
    return refuse(w, why, e);
}

static int find_feature(const struct word *w, enum feature_id *ret, struct error *e)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (w->len > 0 && word_is(w, feature_model_name(&features[i]))) {
            *ret = features[i].id;
            return 0;
        }
    return no_such_feature(w, e);
}

/* A user name is refused by target_parse; a query would be cut in two by the paths that are appended. */
static const char *url_fault(const char *url)
{
    struct target t;
    for (const char *c = url; *c; c++)
        if (!isgraph((unsigned char)*c) || strchr("\"\\<>?#", *c))
            return "holds a character that cannot be in the address of a server";
    if (!strstr(url, "://") || target_parse(url, &t) < 0)
        return "is no http:// or https:// address without a user name";
    return NULL;
}

static int add_url(struct cog_endpoints *c, const struct word *w, enum feature_id id, struct error *e)
{
    if (w->len >= COG_URL_MAX)
        return refuse(w, "is too long for an address", e);
    FREE_ON_EXIT char *url = mem_printf("%.*s", (int)w->len, w->at);
    if (url[strcspn(url, "=:")] == '=')
        return refuse(w, "stands after a comma; features are separated by \";\"", e);
    const char *fault = url_fault(url);
    if (fault)
        return refuse(w, fault, e);
    for (size_t n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
        url[n - 1] = '\0';
    unsigned i = 0;
    while (i < c->count && strcmp(c->url[i], url) != 0)
        i++;
    if (i == COG_SERVERS_MAX)
        return refuse(w, "is one server too many; 64 can be named", e);
    if (i == c->count)
        c->url[c->count++] = TAKE(url);
    c->serves[id] |= 1ull << i;
    return 0;
}

/* "feature=url,url" */
static int add_entry(struct cog_endpoints *c, const struct word *entry, struct error *e)
{
    const char *at = entry->at, *end = at + entry->len;
    if (!memchr(at, '=', entry->len))
        return refuse(entry, "is not feature=url", e);
    enum feature_id id = FEATURE_NONE;
    struct word name = word_next(&at, end, '=');
    int r = find_feature(&name, &id, e);
    if (r == 0 && c->serves[id])
        r = refuse(&name, "is named twice; separate its servers by commas", e);
    while (r == 0 && at < end) {
        struct word url = word_next(&at, end, ',');
        if (url.len > 0)
            r = add_url(c, &url, id, e);
    }
    if (r == 0 && !c->serves[id])
        r = refuse(&name, "has no server", e);
    return r;
}

int cog_endpoints_parse(const char *text, struct cog_endpoints *ret, struct error *e)
{
    struct cog_endpoints c = {0};
    const char *end = text + strlen(text);
    for (const char *at = text; at < end;) {
        struct word entry = word_next(&at, end, ';');
        int r = entry.len > 0 ? add_entry(&c, &entry, e) : 0;
        if (r < 0) {
            cog_endpoints_release(&c);
            return r;
        }
    }
    if (c.count == 0)
        return error_set_field(e, ERR_VALIDATION, "COG_ENDPOINTS", "COG_ENDPOINTS names no server");
    *ret = c;
    return 0;
}

void cog_endpoints_release(struct cog_endpoints *c)
{
    for (unsigned i = 0; i < c->count; i++)
        free(c->url[i]);
    *c = (struct cog_endpoints){0};
}

const char *cog_endpoint_name(const char *url)
{
    const char *scheme = strstr(url, "://");
    return scheme ? scheme + 3 : url;
}
