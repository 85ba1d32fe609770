#include "http/client/guard.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "scratch.h"

struct row {
    const char *ip;
    bool allowed;
};

/* The first and last address of each refused block, and their public neighbours. */
static const struct row ipv4[] = {
    {"0.0.0.0", false},         {"0.255.255.255", false},   {"1.0.0.0", true},
    {"9.255.255.255", true},    {"10.0.0.0", false},        {"10.255.255.255", false},
    {"11.0.0.0", true},         {"100.63.255.255", true},   {"100.64.0.0", false},
    {"100.100.100.200", false}, {"100.127.255.255", false}, {"100.128.0.0", true},
    {"126.255.255.255", true},  {"127.0.0.1", false},       {"127.255.255.255", false},
    {"128.0.0.0", true},        {"168.63.129.15", true},    {"168.63.129.16", false},
    {"168.63.129.17", true},    {"169.253.255.255", true},  {"169.254.0.0", false},
    {"169.254.169.254", false}, {"169.254.255.255", false}, {"169.255.0.0", true},
    {"172.15.255.255", true},   {"172.16.0.0", false},      {"172.31.255.255", false},
    {"172.32.0.0", true},       {"191.255.255.255", true},  {"192.0.0.0", false},
    {"192.0.0.192", false},     {"192.0.0.255", false},     {"192.0.1.0", true},
    {"192.0.2.0", false},       {"192.0.2.255", false},     {"192.0.3.0", true},
    {"192.88.99.1", false},     {"192.88.100.0", true},     {"192.167.255.255", true},
    {"192.168.0.0", false},     {"192.168.255.255", false}, {"192.169.0.0", true},
    {"198.17.255.255", true},   {"198.18.0.0", false},      {"198.19.255.255", false},
    {"198.20.0.0", true},       {"198.51.99.255", true},    {"198.51.100.0", false},
    {"198.51.101.0", true},     {"203.0.112.255", true},    {"203.0.113.0", false},
    {"203.0.114.0", true},      {"223.255.255.255", true},  {"224.0.0.0", false},
    {"239.255.255.255", false}, {"240.0.0.0", false},       {"255.255.255.255", false},
    {"8.8.8.8", true},          {"93.184.216.34", true},
};

static const struct row ipv6[] = {
    {"::", false},
    {"::1", false},
    {"::2", false},
    {"::7f00:1", false},           /* compatible form of 127.0.0.1 */
    {"::ffff:127.0.0.1", false},   /* mapped */
    {"::ffff:8.8.8.8", false},     /* mapped, whatever it carries */
    {"::ffff:0:127.0.0.1", false}, /* translated (SIIT) */
    {"64:ff9b::8.8.8.8", true},    /* NAT64 of a public host */
    {"64:ff9b::127.0.0.1", false},
    {"64:ff9b::10.1.2.3", false},
    {"64:ff9b::169.254.169.254", false},
    {"64:ff9b:0:0:1::8.8.8.8", false}, /* outside of the /96 */
    {"64:ff9b:1::8.8.8.8", false},     /* local-use NAT64 */
    {"100::1", false},                 /* discard-only */
    {"1fff:ffff::1", false},
    {"2000::1", true},
    {"2001::1", false},                          /* Teredo */
    {"2001:0:53aa:64c:0:7fff:80ff:fffe", false}, /* Teredo */
    {"2001:2::1", false},                        /* benchmarking */
    {"2001:20::1", false},                       /* ORCHID */
    {"2001:1ff:ffff::1", false},
    {"2001:200::1", true},
    {"2001:db7:ffff::1", true},
    {"2001:db8::1", false},
    {"2001:db8:ffff:ffff::1", false},
    {"2001:db9::1", true},
    {"2001:4860:4860::8888", true},
    {"2002:7f00:1::1", false},  /* 6to4 of 127.0.0.1 */
    {"2002:808:808::1", false}, /* 6to4 of 8.8.8.8 */
    {"2003::1", true},
    {"2606:2800:220:1:248:1893:25c8:1946", true},
    {"3ffe:ffff::1", true},
    {"3fff::1", false}, /* documentation */
    {"3fff:fff:ffff::1", false},
    {"3fff:1000::1", true},
    {"4000::1", false},
    {"5f00::1", false},
    {"fc00::1", false},
    {"fd00:ec2::254", false}, /* a cloud's metadata */
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false}, /* old site-local */
    {"ff00::1", false},
    {"ff02::1", false},
};

static bool sockaddr_allowed(int family, const char *ip)
{
    struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};
    void *addr = family == AF_INET ? (void *)&((struct sockaddr_in *)&sa)->sin_addr
                                   : (void *)&((struct sockaddr_in6 *)&sa)->sin6_addr;
    assert_int_equal(inet_pton(family, ip, addr), 1);
    return guard_allows((const struct sockaddr *)&sa);
}

static void check(int family, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sockaddr_allowed(family, rows[i].ip) != rows[i].allowed)
            fail_msg("%s must be %s", rows[i].ip, rows[i].allowed ? "allowed" : "refused");
        assert_int_equal(guard_allows_text(rows[i].ip), rows[i].allowed);
    }
}

static void test_ipv4(void **state)
{
    check(AF_INET, ipv4, ARRAY_LEN(ipv4));
}

static void test_ipv6(void **state)
{
    check(AF_INET6, ipv6, ARRAY_LEN(ipv6));
}

static void test_other_families_and_text(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_false(guard_allows((const struct sockaddr *)&local));
    static const char *const not_addresses[] = {"",      "localhost",    "example.com", "8.8.8.8.8",
                                                "8.8.8", "0x08.8.8.8",   " 8.8.8.8",    "8.8.8.8 ",
                                                "[::1]", "fe80::1%eth0", "2000::1%lo",  "134744072"};
    for (size_t i = 0; i < ARRAY_LEN(not_addresses); i++)
        assert_false(guard_allows_text(not_addresses[i]));
}

/* However a stranger writes it, what the resolver makes of it is what is judged. */
static void test_spellings_the_resolver_takes(void **state)
{
    static const struct row hosts[] = {
        {"2130706433", false},    {"0x7f000001", false},
        {"0x7f.1", false},        {"0177.0.0.1", false},
        {"017700000001", false},  {"127.1", false},
        {"127.0.1", false},       {"0", false},
        {"0x0", false},           {"0xa9fea9fe", false},
        {"2852039166", false},    {"169.16689662", false},
        {"0xc0.0xa8.0x1", false}, {"012.1.2.3", false},
        {"10.66051", false},      {"0251.0376.0251.0376", false},
        {"::ffff:7f00:1", false}, {"0:0:0:0:0:0:0:1", false},
        {"localhost", false},     {"134744072", true},
        {"0x08080808", true},     {"010.8.8.8", true},
        {"8.526344", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
        assert_int_equal(getaddrinfo(hosts[i].ip, NULL, &hints, &found), 0);
        for (struct addrinfo *a = found; a; a = a->ai_next)
            if (guard_allows(a->ai_addr) != hosts[i].allowed)
                fail_msg("%s must be %s", hosts[i].ip, hosts[i].allowed ? "allowed" : "refused");
        freeaddrinfo(found);
    }
}

/* The blocks agree with a plain walk over the whole of IPv4 in /24 steps. */
static void test_share_of_ipv4(void **state)
{
    unsigned allowed = 0;
    for (uint32_t net = 0; net < 1u << 24; net++)
        allowed += guard_allows_ipv4(net << 8);
    /* 0/8 10/8 127/8, 224/4 240/4, 100.64/10, 172.16/12, 198.18/15, 169.254/16 192.168/16, six /24 */
    unsigned refused = 3 * 65536 + 2 * 16 * 65536 + 64 * 256 + 16 * 256 + 2 * 256 + 2 * 256 + 6 - 1;
    assert_int_equal(allowed, (1u << 24) - refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_other_families_and_text),
        cmocka_unit_test(test_spellings_the_resolver_takes),
        cmocka_unit_test(test_share_of_ipv4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
