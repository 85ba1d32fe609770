#include "web/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"

enum { DIGITS_MAX = 11 };

/* All digits from there on; false: none, or too many. */
static bool number(const char *text, int64_t *ret, const char **ret_end)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    *ret = strtoll(text, NULL, 10);
    *ret_end = text + digits;
    return true;
}

static bool ago(const char *text, int64_t now, int64_t *ret)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const char *end;
    int64_t n;
    if (!number(text, &n, &end))
        return false;
    for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
        if (end[0] != units[i].letter || end[1] != '\0')
            continue;
        *ret = now - n * units[i].seconds;
        return true;
    }
    return false;
}

/* Z, or +02:00; a plus that was not escaped in a query arrives as a space. */
static bool offset(const char *text, int64_t *ret_seconds)
{
    int hours, minutes, length = 0;
    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
        *ret_seconds = 0;
        return true;
    }
    if (strspn(text, "+- ") == 0 || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 ||
        length != 5 || text[6] != '\0' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret_seconds = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static bool rfc3339(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t east;
    if (!rest)
        rest = strptime(text, "%Y-%m-%dt%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    struct tm same = tm;
    time_t at = timegm(&same);
    if (!offset(rest, &east) || same.tm_mday != tm.tm_mday)
        return false; /* the 31st of a month that has 30 days */
    *ret = at - east;
    return true;
}

bool when_parse(const char *text, int64_t now, int64_t *ret)
{
    const char *end;
    int64_t n;
    if (strcmp(text, "now") == 0) {
        *ret = now;
        return true;
    }
    if (*text == '-')
        return ago(text + 1, now, ret);
    if (number(text, &n, &end) && *end == '\0') {
        *ret = n;
        return true;
    }
    return rfc3339(text, ret);
}
