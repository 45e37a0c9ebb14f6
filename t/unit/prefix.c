/* SPDX-License-Identifier: Apache-2.0 */
/* pm_prefix: which addresses FcgiPMListenClients means. */
#include "pm_core/base/pm_prefix.h"
#include "tap.h"

static int reads(const char *word, pm_prefix_t *prefix)
{
    return pm_prefix_read(word, strlen(word), prefix);
}

static void test_read(void)
{
    static const struct {
        const char *word;
        int good;
        unsigned bits;
    } cases[] = {
        {"192.0.2.7", 1, 128},
        {"192.0.2.0/24", 1, 120},
        {"0.0.0.0/0", 1, 96},
        {"::1", 1, 128},
        {"2001:db8::/32", 1, 32},
        {"::/0", 1, 0},
        {"::ffff:192.0.2.0/120", 1, 120},
        {"2001:db8:ffff:ffff:ffff:ffff:255.255.255.255/128", 1, 128},
        {"192.0.2.7/24", 0, 0},
        {"192.0.2.128/25", 1, 121},
        {"192.0.2.64/25", 0, 0},
        {"2001:db8::1/32", 0, 0},
        {"192.0.2.0/33", 0, 0},
        {"::/129", 0, 0},
        {"::/99999999999999999999", 0, 0},
        {"192.0.2.0/", 0, 0},
        {"192.0.2.0/+24", 0, 0},
        {"192.0.2.0/-1", 0, 0},
        {"192.0.2.0/ 24", 0, 0},
        {"192.0.2.0/24x", 0, 0},
        {"192.0.2.0/24/24", 0, 0},
        {"/24", 0, 0},
        {"", 0, 0},
        {"192.0.2", 0, 0},
        {"192.0.2.7 ", 0, 0},
        {"fe80::1%lo", 0, 0},
        {"[::1]", 0, 0},
        {"localhost", 0, 0},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", 0, 0}};
    pm_prefix_t prefix;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(reads(cases[i].word, &prefix), cases[i].good, "\"%s\" is %s",
               cases[i].word, cases[i].good ? "read" : "none");
        if (cases[i].good) {
            is_int(prefix.bits, cases[i].bits, "%u bits", cases[i].bits);
        }
    }
    ok(pm_prefix_read("10.0.0.0/8,10.1.0.0/16", 10, &prefix)
           && prefix.bits == 104,
       "a word among others");
}

static void address(const char *text, unsigned char addr[16])
{
    struct sockaddr_storage sa = {.ss_family = AF_INET};
    struct sockaddr_in *in = (struct sockaddr_in *)&sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sa;

    if (inet_pton(AF_INET, text, &in->sin_addr) != 1) {
        sa.ss_family = AF_INET6;
        ok(inet_pton(AF_INET6, text, &in6->sin6_addr) == 1, "%s is an address",
           text);
    }
    ok(pm_prefix_address(&sa, addr), "and read");
}

static void test_has(void)
{
    static const struct {
        const char *prefix, *addr;
        int has;
    } cases[] = {{"192.0.2.7", "192.0.2.7", 1},
                 {"192.0.2.7", "192.0.2.6", 0},
                 {"192.0.2.0/24", "192.0.2.255", 1},
                 {"192.0.2.0/24", "192.0.3.0", 0},
                 {"192.0.2.0/23", "192.0.3.0", 1},
                 {"192.0.2.128/25", "192.0.2.127", 0},
                 {"0.0.0.0/0", "255.255.255.255", 1},
                 {"0.0.0.0/0", "2001:db8::1", 0},
                 {"192.0.2.7", "::ffff:192.0.2.7", 1},
                 {"::ffff:192.0.2.0/120", "192.0.2.7", 1},
                 {"::/0", "2001:db8::1", 1},
                 {"::/0", "192.0.2.7", 0},
                 {"::/64", "::ffff:192.0.2.7", 0},
                 {"::/64", "::1", 1},
                 {"::1", "::1", 1},
                 {"::1", "127.0.0.1", 0},
                 {"2001:db8::/33", "2001:db8:7fff::", 1},
                 {"2001:db8::/33", "2001:db8:8000::", 0}};
    unsigned char addr[16] = {0};
    pm_prefix_t prefix;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        address(cases[i].addr, addr);
        ok(reads(cases[i].prefix, &prefix)
               && pm_prefix_has(&prefix, addr) == cases[i].has,
           "%s %s %s", cases[i].prefix, cases[i].has ? "has" : "has not",
           cases[i].addr);
    }
}

static void test_others(void)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNIX};
    unsigned char addr[16];

    ok(!pm_prefix_address(&sa, addr), "a unix socket has no address");
}

int main(void)
{
    test_read();
    test_has();
    test_others();
    return done_testing();
}
