/* The value of a Retry-After header: whole seconds, or a date in one of HTTP's three forms. Some servers send
 * decimals, which are rounded up. */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "http/client/client.h"

static const int64_t FAR_FUTURE_S = 1000000000; /* as good as never; the caller has its own, lower cap */

static bool only_blanks(const char *s)
{
    return s[strspn(s, " \t")] == '\0';
}

static int64_t seconds(const char *s)
{
    int64_t n = 0;
    for (; isdigit((unsigned char)*s); s++)
        n = MIN(n * 10 + (*s - '0'), FAR_FUTURE_S);
    if (*s == '.' && isdigit((unsigned char)s[1])) {
        size_t decimals = strspn(s + 1, "0123456789");
        n += strspn(s + 1, "0") < decimals;
        s += 1 + decimals;
    }
    return only_blanks(s) ? n : -1;
}

int64_t http_date_s(const char *s)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(s, forms[i], &tm);
        if (!end || !only_blanks(end))
            continue;
        return MAX((int64_t)timegm(&tm), 0);
    }
    return -1;
}

static int64_t until_date(const char *s, int64_t now_s)
{
    int64_t at_s = http_date_s(s);
    return at_s < 0 ? -1 : MIN(MAX(at_s - now_s, 0), FAR_FUTURE_S);
}

int64_t http_retry_after_s(const char *value, int64_t now_s)
{
    if (!value)
        return -1;
    value += strspn(value, " \t");
    return isdigit((unsigned char)*value) ? seconds(value) : until_date(value, now_s);
}
