#include "http/client/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

struct block4 {
    uint32_t base;
    unsigned bits;
};

/* IANA's special-purpose registry, without the few blocks that are globally reachable. */
static const struct block4 refused4[] = {
    {IP4(0, 0, 0, 0), 8},        /* this network; 0.0.0.0 reaches this host */
    {IP4(10, 0, 0, 0), 8},       /* private */
    {IP4(100, 64, 0, 0), 10},    /* carrier-grade NAT */
    {IP4(127, 0, 0, 0), 8},      /* loopback */
    {IP4(168, 63, 129, 16), 32}, /* a public address that Azure gives to the host's own services */
    {IP4(169, 254, 0, 0), 16},   /* link-local, cloud metadata */
    {IP4(172, 16, 0, 0), 12},    /* private */
    {IP4(192, 0, 0, 0), 24},     /* protocol assignments */
    {IP4(192, 0, 2, 0), 24},     /* documentation */
    {IP4(192, 88, 99, 0), 24},   /* 6to4 relays */
    {IP4(192, 168, 0, 0), 16},   /* private */
    {IP4(198, 18, 0, 0), 15},    /* benchmarking */
    {IP4(198, 51, 100, 0), 24},  /* documentation */
    {IP4(203, 0, 113, 0), 24},   /* documentation */
    {IP4(224, 0, 0, 0), 4},      /* multicast */
    {IP4(240, 0, 0, 0), 4},      /* reserved, broadcast */
};

struct block6 {
    uint8_t base[16];
    unsigned bits;
};

/* Within 2000::/3; everything outside it is refused. */
static const struct block6 refused6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments; Teredo, benchmarking, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static const struct block6 global_unicast = {{0x20}, 3};
static const struct block6 nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};

static bool in_block6(const uint8_t addr[static 16], const struct block6 *b)
{
    size_t bytes = b->bits / 8;
    unsigned rest = b->bits % 8;
    if (memcmp(addr, b->base, bytes) != 0)
        return false;
    return rest == 0 || (addr[bytes] ^ b->base[bytes]) >> (8 - rest) == 0;
}

bool guard_allows_ipv4(uint32_t addr)
{
    for (size_t i = 0; i < ARRAY_LEN(refused4); i++)
        if ((addr ^ refused4[i].base) >> (32 - refused4[i].bits) == 0)
            return false;
    return true;
}

bool guard_allows_ipv6(const uint8_t addr[static 16])
{
    if (in_block6(addr, &nat64))
        return guard_allows_ipv4(IP4(addr[12], addr[13], addr[14], addr[15]));
    if (!in_block6(addr, &global_unicast))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(refused6); i++)
        if (in_block6(addr, &refused6[i]))
            return false;
    return true;
}

/* The address is copied out, as a struct sockaddr inside another struct need not be aligned for either. */
bool guard_allows(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        return guard_allows_ipv4(ntohl(in.sin_addr.s_addr));
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        return guard_allows_ipv6(in6.sin6_addr.s6_addr);
    }
    return false;
}

bool guard_allows_text(const char *ip)
{
    struct in_addr in;
    struct in6_addr in6;
    if (inet_pton(AF_INET, ip, &in) == 1)
        return guard_allows_ipv4(ntohl(in.s_addr));
    if (inet_pton(AF_INET6, ip, &in6) == 1)
        return guard_allows_ipv6(in6.s6_addr);
    return false;
}
