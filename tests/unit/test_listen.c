/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address to listen on.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wirenames.h"
#include "sandbox/begin/listen.h"
#include "sandbox/state.h"

static struct cl_err err;

static void port_zero_picks_one_and_a_taken_one_is_refused(void **state)
{
    struct cl_listen place, other;
    cl_close_auto int made = -1;

    (void)state;
    assert_works(cl_listen_parse("127.0.0.1:0", &place, &err), &err);
    made = cl_listen_open("127.0.0.1:0", &place, &err);
    assert_works(made, &err);
    assert_memory_equal(place.text, "127.0.0.1:", 10);
    assert_true(atoi(place.text + 10) > 0);
    assert_works(cl_listen_parse(place.text, &other, &err), &err);
    assert_fails(cl_listen_open(place.text, &other, &err), &err, CL_E_SYS);
    assert_non_null(strstr(err.text, "in use"));
}

static void addresses_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        ":80",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "localhost:80",
        "127.0.0.1:-1",
        "127.0.0.1:080000",
    };
    struct cl_listen place;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++)
        assert_fails(cl_listen_parse(bad[i], &place, &err), &err, CL_E_INPUT);
}

static void this_machine_is_told_from_others(void **state)
{
    static const struct {
        const char *text;
        bool is_own;
    } cases[] = {
        { "127.0.0.1:80", true },          { "127.9.9.9:80", true },   { "[::1]:80", true },
        { "[::ffff:127.0.0.1]:80", true }, { "0.0.0.0:80", false },    { "[::]:80", false },
        { "128.0.0.1:80", false },         { "10.127.0.1:80", false }, { "[::2]:80", false },
        { "[::ffff:10.0.0.1]:80", false },
    };
    struct cl_listen place;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        assert_works(cl_listen_parse(cases[i].text, &place, &err), &err);
        assert_int_equal(cl_listen_is_loopback(&place), cases[i].is_own);
    }
}

/* What cloched finds at its descriptor is looked at. */
static void cloched_takes_a_listening_socket_and_nothing_else(void **state)
{
    struct cl_state taken = { .listener = -1 };
    struct cl_listen place;
    cl_close_auto int made = -1, file = -1, plain = -1;

    (void)state;
    file = open("/dev/null", O_RDWR);
    plain = socket(AF_INET, SOCK_STREAM, 0);
    assert_works(cl_listen_parse("127.0.0.1:0", &place, &err), &err);
    made = cl_listen_open("127.0.0.1:0", &place, &err);
    assert_works(made, &err);
    const int kept = fcntl(made, F_DUPFD_CLOEXEC, 50);

    dup2(file, CL_BEGUN_FD);
    assert_fails(cl_state_listen(&taken, &err), &err, CL_E_SYS);
    dup2(plain, CL_BEGUN_FD);
    assert_fails(cl_state_listen(&taken, &err), &err, CL_E_SYS);
    assert_int_equal(taken.listener, -1);
    dup2(kept, CL_BEGUN_FD);
    assert_works(cl_state_listen(&taken, &err), &err);
    assert_int_equal(taken.listener, CL_BEGUN_FD);
    assert_int_equal(fcntl(CL_BEGUN_FD, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(port_zero_picks_one_and_a_taken_one_is_refused),
        cmocka_unit_test(addresses_that_are_none_are_refused),
        cmocka_unit_test(this_machine_is_told_from_others),
        cmocka_unit_test(cloched_takes_a_listening_socket_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
