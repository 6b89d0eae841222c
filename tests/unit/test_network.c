#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "io/network.h"

static bool may(const char *text, const char *allowed)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    struct network network;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        address.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        address.ss_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    if (allowed && !network_parse(allowed, &network))
        fail_msg("%s is no network", allowed);
    return network_may((struct sockaddr *)&address, &network, allowed ? 1 : 0);
}

static void what_is_not_public_is_forbidden(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:a00:1::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:0808:0808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "::ffff:0:127.0.0.1",
    };

    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (may(forbidden[i], NULL))
            fail_msg("%s is let through", forbidden[i]);
}

static void what_is_public_is_allowed(void **state)
{
    (void)state;
    static const char *const open[] = {
        "1.1.1.1",         "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.1",
        "169.253.255.255", "169.255.0.0",     "172.15.255.255",  "172.32.0.0",
        "192.0.1.0",       "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",      "223.255.255.255", "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
        "2001:200::1",     "2001:4860::8888", "2606:4700::1111", "2a00::1",
        "3ffe:ffff::1",    "2000::1",
    };

    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (!may(open[i], NULL))
            fail_msg("%s is refused", open[i]);
}

static void another_family_is_forbidden(void **state)
{
    (void)state;
    struct network all;
    struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    assert_true(network_parse("::/0", &all));

    assert_false(network_may(&unix_socket, &all, 1));
}

static void a_network_of_the_setting_is_allowed_and_nothing_beside_it(void **state)
{
    (void)state;

    assert_true(may("10.1.2.3", "10.1.0.0/16"));
    assert_false(may("10.2.0.1", "10.1.0.0/16"));
    assert_true(may("::ffff:10.1.2.3", "10.1.0.0/16"));
    assert_true(may("64:ff9b::10.1.2.3", "10.1.0.0/16"));
    assert_true(may("127.0.0.1", "127.0.0.1"));
    assert_false(may("127.0.0.2", "127.0.0.1"));
    assert_true(may("127.0.0.1", "0.0.0.0/0"));
    assert_true(may("fd00:1::5", "fd00:1::/32"));
    assert_false(may("fd00:2::5", "fd00:1::/32"));
    assert_true(may("10.1.127.1", "10.1.0.0/17"));
    assert_false(may("10.1.128.1", "10.1.0.0/17"));
    assert_true(may("10.0.0.1", "::ffff:10.0.0.0/104"));
    assert_false(may("::1", "127.0.0.0/8"));
}

static void a_network_has_no_bits_behind_its_prefix(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "10.1.0.1/16", "10.1.0.0/33", "10.1.0.0/-1",
                                      "10.1.0.0/",  "10.1/16",     "fd00::1/8",   "fd00::/129",
                                      "localhost",  "10.0.0.0/8x", "10.0.0.0 /8", "::/0/0",
                                      "1.2.3.4.5/8"};
    struct network network;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (network_parse(bad[i], &network))
            fail_msg("\"%s\" is taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_public_is_forbidden),
        cmocka_unit_test(what_is_public_is_allowed),
        cmocka_unit_test(another_family_is_forbidden),
        cmocka_unit_test(a_network_of_the_setting_is_allowed_and_nothing_beside_it),
        cmocka_unit_test(a_network_has_no_bits_behind_its_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
