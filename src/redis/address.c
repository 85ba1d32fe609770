#include "redis/address.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"

enum { PORT_DEFAULT = 6379, DATABASE_MAX = 16383 };

static int refuse(const char *option, struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, option,
                           "%s cannot be read: redis://[user:password@]host[:port][/database] or "
                           "unix://[user:password@]/path/to/socket[?db=database] is allowed",
                           option);
}

static int hex_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* %XX undone; NULL: it is not in order, or holds a NUL or a line break. */
static char *decode(const char *text, size_t len)
{
    char *ret = mem_alloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_of(text[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_of(text[i + 2]);
            if (low < 0) {
                free(ret);
                return NULL;
            }
            c = high * 16 + low;
            i += 2;
        }
        if (c < ' ') {
            free(ret);
            return NULL;
        }
        ret[n++] = (char)c;
    }
    ret[n] = '\0';
    return ret;
}

/* A whole number of at most `most`; all of the text. */
static int number(const char *text, size_t len, unsigned most, unsigned *ret)
{
    unsigned n = 0;
    if (len == 0 || len > 5)
        return -ERR_VALIDATION;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -ERR_VALIDATION;
        n = n * 10 + (unsigned)(text[i] - '0');
    }
    if (n > most)
        return -ERR_VALIDATION;
    *ret = n;
    return 0;
}

/* user:password, :password or (as some write it) a password alone. */
static int take_credentials(const char *text, size_t len, struct redis_address *a)
{
    const char *colon = memchr(text, ':', len);
    if (colon && colon > text) {
        a->user = decode(text, (size_t)(colon - text));
        if (!a->user)
            return -ERR_VALIDATION;
    }
    const char *secret = colon ? colon + 1 : text;
    a->password = decode(secret, len - (size_t)(secret - text));
    return a->password && *a->password ? 0 : -ERR_VALIDATION;
}

static int take_host(const char *text, size_t len, struct redis_address *a)
{
    size_t host = len;
    const char *begin = text, *end = memchr(text, ']', len);
    if (*text == '[') {
        if (!end)
            return -ERR_VALIDATION;
        begin = text + 1;
        host = (size_t)(end - begin);
        end++;
    } else {
        end = memchr(text, ':', len);
        end = end ? end : text + len;
        host = (size_t)(end - text);
    }
    size_t rest = len - (size_t)(end - text);
    unsigned port = PORT_DEFAULT;
    if (host == 0 || host > 253 || (rest > 0 && *end != ':'))
        return -ERR_VALIDATION;
    if (rest > 0 && (number(end + 1, rest - 1, UINT16_MAX, &port) < 0 || port == 0))
        return -ERR_VALIDATION;
    for (size_t i = 0; i < host; i++)
        if (!isalnum((unsigned char)begin[i]) && !strchr("-._:%", begin[i]))
            return -ERR_VALIDATION;
    a->host = mem_printf("%.*s", (int)host, begin);
    a->port = (uint16_t)port;
    return 0;
}

static int take_tcp(const char *at, struct redis_address *a)
{
    size_t len = strcspn(at, "/?#");
    const char *rest = at + len;
    if (*rest == '/' && rest[1]) {
        if (number(rest + 1, strlen(rest + 1), DATABASE_MAX, &a->database) < 0)
            return -ERR_VALIDATION;
    } else if (*rest && strcmp(rest, "/") != 0) {
        return -ERR_VALIDATION;
    }
    return len > 0 ? take_host(at, len, a) : -ERR_VALIDATION;
}

static int take_socket(const char *at, struct redis_address *a)
{
    static const char db[] = "?db=";
    size_t len = strcspn(at, "?");
    struct sockaddr_un limit;
    if (*at != '/' || len >= sizeof(limit.sun_path))
        return -ERR_VALIDATION;
    if (at[len]) {
        const char *value = at + len + strlen(db);
        if (strncmp(at + len, db, strlen(db)) != 0 ||
            number(value, strlen(value), DATABASE_MAX, &a->database) < 0)
            return -ERR_VALIDATION;
    }
    a->path = decode(at, len);
    return a->path ? 0 : -ERR_VALIDATION;
}

int redis_address_parse(const char *option, const char *url, struct redis_address *ret, struct error *e)
{
    static const char tcp[] = "redis://", tls[] = "rediss://", local[] = "unix://";
    struct redis_address a = {0};
    if (strncmp(url, tls, strlen(tls)) == 0)
        return error_set_field(
            e, ERR_VALIDATION, option,
            "%s asks for TLS (rediss://), which this build's Redis library does not speak; "
            "use redis:// on a private network, or through a TLS tunnel such as stunnel",
            option);
    bool socket = strncmp(url, local, strlen(local)) == 0;
    if (!socket && strncmp(url, tcp, strlen(tcp)) != 0)
        return refuse(option, e);
    const char *at = url + strlen(socket ? local : tcp);
    const char *end = at + strcspn(at, "/?#");
    const char *sign = memrchr(at, '@', (size_t)(end - at));
    int r = sign ? take_credentials(at, (size_t)(sign - at), &a) : 0;
    if (r == 0)
        r = socket ? take_socket(sign ? sign + 1 : at, &a) : take_tcp(sign ? sign + 1 : at, &a);
    if (r < 0) {
        redis_address_release(&a);
        return refuse(option, e);
    }
    *ret = a;
    return 0;
}

void redis_address_release(struct redis_address *a)
{
    if (a->password)
        OPENSSL_cleanse(a->password, strlen(a->password));
    free(a->user);
    free(a->password);
    free(a->host);
    free(a->path);
    *a = (struct redis_address){0};
}

char *redis_address_text(const struct redis_address *a)
{
    if (a->path)
        return mem_strdup(a->path);
    bool v6 = strchr(a->host, ':');
    return mem_printf("%s%s%s:%u", v6 ? "[" : "", a->host, v6 ? "]" : "", (unsigned)a->port);
}
