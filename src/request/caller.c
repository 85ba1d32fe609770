#include "request/caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"

enum { V6_PREFIX_BYTES = 8 };

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

static bool from_text(const char *text, struct address *ret)
{
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

uint64_t caller_hash(const struct exchange *x, unsigned trusted_hops, const char *route)
{
    struct address a = {.size = 0};
    char text[INET6_ADDRSTRLEN];
    const char *forwarded = trusted_hops ? exchange_header(x, "X-Forwarded-For") : NULL;
    bool found =
        forwarded && caller_forwarded(forwarded, trusted_hops, text, sizeof(text)) && from_text(text, &a);
    if (!found)
        from_peer(exchange_peer(x), &a);
    struct digest d;
    uint8_t sum[DIGEST_BYTES];
    digest_init(&d);
    digest_update(&d, a.bytes, a.size);
    digest_update(&d, route, strlen(route));
    digest_final(&d, sum);
    uint64_t hash;
    memcpy(&hash, sum, sizeof(hash));
    return hash;
}
