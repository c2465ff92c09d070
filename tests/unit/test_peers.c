/* SPDX-License-Identifier: Apache-2.0 */
/* Who counts as one host, and how many connections it has. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "api/http1/peers.h"

static struct in6_addr key_of(const char *text)
{
    struct sockaddr_in ipv4 = { .sin_family = AF_INET };
    struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
        return cl_peers_key((struct sockaddr *)&ipv4);
    assert_int_equal(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
    return cl_peers_key((struct sockaddr *)&ipv6);
}

static int is_same(const char *a, const char *b)
{
    const struct in6_addr first = key_of(a), second = key_of(b);

    return memcmp(&first, &second, sizeof(first)) == 0;
}

static void peers_have_one_key_per_host(void **state)
{
    (void)state;
    assert_true(is_same("192.0.2.1", "::ffff:192.0.2.1"));
    assert_false(is_same("192.0.2.1", "192.0.2.2"));
    assert_true(is_same("2001:db8:1:2::1", "2001:db8:1:2:ffff::7"));
    assert_false(is_same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(is_same("2001:db8::1", "::1"));
}

static void peers_of_this_machine_are_one(void **state)
{
    const struct sockaddr unnamed = { .sa_family = AF_UNIX };
    const struct in6_addr local = cl_peers_key(&unnamed), far = key_of("192.0.2.1"),
                          near = key_of("127.0.0.1"), zero = key_of("::2");

    (void)state;
    assert_true(is_same("127.0.0.1", "127.9.8.7"));
    assert_true(is_same("127.0.0.1", "::1"));
    assert_true(is_same("127.0.0.1", "::ffff:127.0.0.1"));
    assert_true(cl_peers_is_local(&local));
    assert_true(cl_peers_is_local(&near));
    assert_false(cl_peers_is_local(&far));
    assert_false(cl_peers_is_local(&zero));
    /* Nearly ::1, and nearly ::ffff:127.0.0.1: a bit in one word each. */
    static const char *const foreign[] = { "1::1",
                                           "0:0:1::1",
                                           "0:0:0:0:1::1",
                                           "0:0:0:0:0:0:1:1",
                                           "1::ffff:127.0.0.1",
                                           "0:0:1::ffff:127.0.0.1" };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        const struct in6_addr key = key_of(foreign[i]);
        assert_false(cl_peers_is_local(&key));
        assert_false(is_same(foreign[i], "127.0.0.1"));
    }
}

static void peers_are_counted_up_to_their_cap(void **state)
{
    const struct in6_addr one = key_of("192.0.2.1"), two = key_of("192.0.2.2");
    struct cl_err err = CL_ERR_INIT;
    struct cl_peers peers;

    (void)state;
    assert_int_equal(cl_peers_init(&peers, &err), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            assert_true(cl_peers_add(&peers, &one, 5));
        assert_false(cl_peers_add(&peers, &one, 5));
        assert_true(cl_peers_add(&peers, &two, 1));
        assert_false(cl_peers_add(&peers, &two, 1));
        cl_peers_remove(&peers, &two);
        for (int i = 0; i < 5; i++)
            cl_peers_remove(&peers, &one);
    }
    for (int i = 0; i < 1000; i++)
        assert_true(cl_peers_add(&peers, &one, 0));
    cl_peers_remove(&peers, &two); /* has none: harmless */
    cl_peers_fini(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_have_one_key_per_host),
        cmocka_unit_test(peers_of_this_machine_are_one),
        cmocka_unit_test(peers_are_counted_up_to_their_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
