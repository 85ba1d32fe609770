#include "request/cache_control.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define SECONDS_MOST 2147483648u /* RFC 9111 §1.2.2: what is larger counts as this */

/* A piece of the header. */
struct word {
    const char *text;
    size_t len;
};

static bool is_token_char(char c)
{
    return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_called(const struct word *w, const char *name)
{
    return w->len == strlen(name) && strncasecmp(w->text, name, w->len) == 0;
}

static const char *skip(const char *at, const char *chars)
{
    return at + strspn(at, chars);
}

/* Both readers return what follows; NULL: there is none. */
static const char *read_token(const char *at, struct word *ret)
{
    size_t len = 0;
    while (is_token_char(at[len]))
        len++;
    *ret = (struct word){at, len};
    return len > 0 ? at + len : NULL;
}

static const char *read_quoted(const char *at, struct word *ret)
{
    const char *from = ++at;
    while (*at && *at != '"')
        at += at[0] == '\\' && at[1] ? 2 : 1;
    if (!*at)
        return NULL;
    *ret = (struct word){from, (size_t)(at - from)};
    return at + 1;
}

static int parse_seconds(const struct word *w, uint32_t *ret)
{
    uint64_t n = 0;
    if (w->len == 0)
        return -EINVAL;
    for (size_t i = 0; i < w->len; i++) {
        if (!isdigit((unsigned char)w->text[i]))
            return -EINVAL;
        n = MIN(n * 10 + (uint64_t)(w->text[i] - '0'), (uint64_t)SECONDS_MOST);
    }
    *ret = (uint32_t)n;
    return 0;
}

/* Of two limits the stricter one counts. */
static int take_max_age(const struct word *value, struct cache_wish *wish)
{
    uint32_t seconds;
    if (parse_seconds(value, &seconds) < 0)
        return -EINVAL;
    wish->max_age_s = wish->limited ? MIN(wish->max_age_s, seconds) : seconds;
    wish->limited = true;
    return 0;
}

static int take(const struct word *name, const struct word *value, struct cache_wish *wish)
{
    if (is_called(name, "max-age"))
        return take_max_age(value, wish);
    wish->no_cache |= is_called(name, "no-cache");
    wish->no_store |= is_called(name, "no-store");
    return 0;
}

/* token [ "=" ( token / quoted-string ) ] */
static const char *read_directive(const char *at, struct cache_wish *wish)
{
    struct word name, value = {"", 0};
    at = read_token(at, &name);
    if (at && *at == '=')
        at = at[1] == '"' ? read_quoted(at + 1, &value) : read_token(at + 1, &value);
    return at && take(&name, &value, wish) == 0 ? skip(at, " \t") : NULL;
}

int cache_control_parse(const char *header, struct cache_wish *ret)
{
    struct cache_wish wish = {0};
    for (const char *at = skip(header, " \t,"); *at; at = skip(at, " \t,")) {
        at = read_directive(at, &wish);
        if (!at || (*at && *at != ','))
            return -EINVAL;
    }
    *ret = wish;
    return 0;
}
