#include "request/caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"

enum { V6_PREFIX_BYTES = 8, ENTRY_MAX = 64, LINES_MAX = 16 /* as many as there can be hops */ };

struct address {
    uint8_t bytes[16];
    size_t size; /* that count; 0: unknown */
};

static void from_v6(const struct in6_addr *in, struct address *ret)
{
    if (IN6_IS_ADDR_V4MAPPED(in)) {
        ret->size = 4;
        memcpy(ret->bytes, in->s6_addr + 12, 4);
        return;
    }
    ret->size = V6_PREFIX_BYTES;
    memcpy(ret->bytes, in->s6_addr, V6_PREFIX_BYTES);
}

static void from_peer(const struct sockaddr *sa, struct address *ret)
{
    if (sa && sa->sa_family == AF_INET) {
        ret->size = 4;
        memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    } else if (sa && sa->sa_family == AF_INET6) {
        from_v6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, ret);
    }
}

/* Some proxies write the port too: "192.0.2.1:4711", "[2001:db8::1]:4711". It is another for each connection.
 */
static const char *without_port(char *text)
{
    char *colon = strchr(text, ':');
    if (*text == '[') {
        text[strcspn(text, "]")] = '\0';
        return text + 1;
    }
    if (colon && !strchr(colon + 1, ':'))
        *colon = '\0';
    return text;
}

static bool from_text(char *entry, struct address *ret)
{
    const char *text = without_port(entry);
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, ret->bytes) == 1) {
        ret->size = 4;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    from_v6(&v6, ret);
    return true;
}

bool caller_forwarded(const char *header, unsigned hops, char *ret, size_t size)
{
    const char *end = header + strlen(header);
    for (;;) {
        const char *start = end;
        while (start > header && start[-1] != ',')
            start--;
        if (--hops == 0) {
            start += strspn(start, " \t");
            size_t len = (size_t)(end - start);
            while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
                len--;
            snprintf(ret, size, "%.*s", (int)len, start);
            return len > 0 && len < size;
        }
        if (start == header)
            return false;
        end = start - 1;
    }
}

/* Each proxy adds its entry at the end, in the same line or in one of its own. */
bool caller_forwarded_lines(const char *const *line, unsigned count, unsigned hops, char *ret, size_t size)
{
    while (count-- > 0) {
        unsigned entries = 1;
        for (const char *comma = strchr(line[count], ','); comma; comma = strchr(comma + 1, ','))
            entries++;
        if (hops <= entries)
            return caller_forwarded(line[count], hops, ret, size);
        hops -= entries;
    }
    return false;
}

/* The last lines of X-Forwarded-For: each holds an entry at least, so there is no need of more. */
struct forwarded {
    const char *line[LINES_MAX];
    unsigned count;
};

static void keep_line(void *ctx, const char *name, const char *value)
{
    struct forwarded *f = ctx;
    if (strcasecmp(name, "X-Forwarded-For") != 0)
        return;
    if (f->count == LINES_MAX)
        memmove(f->line, f->line + 1, --f->count * sizeof(*f->line));
    f->line[f->count++] = value;
}

static uint64_t hash_of(const void *who, size_t size, const char *route)
{
    struct digest d;
    uint8_t sum[DIGEST_BYTES];
    uint64_t hash;
    digest_init(&d);
    digest_update(&d, who, size);
    digest_update(&d, route, strlen(route));
    digest_final(&d, sum);
    memcpy(&hash, sum, sizeof(hash));
    return hash;
}

uint64_t caller_of_tenant(const char *tenant)
{
    return hash_of(tenant, strlen(tenant) + 1, "");
}

uint64_t caller_hash(const struct exchange *x, unsigned trusted_hops, const char *tenant, const char *route)
{
    struct address a = {.size = 0};
    char text[ENTRY_MAX];
    struct forwarded f = {.count = 0};
    if (tenant)
        return hash_of(tenant, strlen(tenant) + 1, route);
    if (trusted_hops)
        exchange_each_header(x, keep_line, &f);
    bool found =
        caller_forwarded_lines(f.line, f.count, trusted_hops, text, sizeof(text)) && from_text(text, &a);
    if (!found)
        from_peer(exchange_peer(x), &a);
    return hash_of(a.bytes, a.size, route);
}
