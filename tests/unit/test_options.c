/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of cloche-api, and how many connections its descriptors are enough for.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/options.h"
#include "sandbox/base/own.h"

static const struct cl_http_caps usual = { .connections = 1024 };

static int parse(struct cl_options *options, const char *name, const char *value,
                 struct cl_err *err)
{
    char *args[] = { (char *)(uintptr_t) "cloche-api", (char *)(uintptr_t)name,
                     (char *)(uintptr_t)value, NULL };

    return cl_options_parse(options, name ? (value ? 3 : 2) : 1, args, err);
}

static void options_have_defaults(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_options options;

    (void)state;
    assert_works(parse(&options, NULL, NULL, &err), &err);
    assert_int_equal(options.log, CL_INFO);
    assert_int_equal(options.buffer_bytes, 256 << 20);
    assert_int_equal(options.store.keep_calls, 100000);
    assert_int_equal(options.store.keep_us, 7ull * 24 * 3600 * 1000000);
}

static void options_are_read(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_options options;

    (void)state;
    assert_works(parse(&options, "--log", "debug", &err), &err);
    assert_int_equal(options.log, CL_DEBUG);
    assert_int_equal(options.queue_ms, 0);
    assert_works(parse(&options, "--queue-wait", "90s", &err), &err);
    assert_int_equal(options.queue_ms, 90000);
    assert_works(parse(&options, "--buffers", "64Mi", &err), &err);
    assert_int_equal(options.buffer_bytes, 64 << 20);
    assert_works(parse(&options, "--spares", "4096", &err), &err);
    assert_int_equal(options.spares, 4096);
    assert_works(parse(&options, "--keep", "90s,12", &err), &err);
    assert_int_equal(options.store.keep_us, 90000000);
    assert_int_equal(options.store.keep_calls, 12);
    assert_works(parse(&options, "--store", "1Gi,2Mi", &err), &err);
    assert_int_equal(options.store.bytes, 1 << 30);
    assert_int_equal(options.store.tenant_bytes, 2 << 20);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        { "--log", "loud" },       { "--log", NULL },
        { "--buffers", "1Ki" },    { "--buffers", "much" },
        { "--buffers", "" },       { "--keep", "90s" },
        { "--keep", "90s," },      { "--keep", "90s,x" },
        { "--keep", "90s,1x" },    { "--keep", ",1" },
        { "--keep", "soon,1" },    { "--keep", "1h,99999999999999999999" },
        { "--store", "1Gi" },      { "--store", "1Gi," },
        { "--store", "1Gi,1Ki" },  { "--store", "1Ki,1Gi" },
        { "--queue-wait", "0s" },  { "--queue-wait", "61m" },
        { "--queue-wait", "1" },   { "--queue-wait", NULL },
        { "--spares", "0" },       { "--spares", "-1" },
        { "--spares", "1048577" }, { "--spares", "7x" },
        { "--spares", "" },        { "--nosuch", "1" },
        { "log", "info" },         { "--spares", "99999999999999999999" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        struct cl_err err = CL_ERR_INIT;
        struct cl_options options;

        assert_fails(parse(&options, wrong[i][0], wrong[i][1], &err), &err, CL_E_INPUT);
    }
}

/* Whatever there is: own descriptors, every jail, and two for each connection. */
static void caps_leave_room_for_every_jail(void **state)
{
    struct cl_options options = cl_options_default;
    struct cl_http_caps caps = usual;

    (void)state;
    for (options.spares = 1; options.spares <= 4096; options.spares *= 2) {
        for (uint64_t have = 16; have < 100000; have += have / 7) {
            struct cl_err err = CL_ERR_INIT;

            caps = usual;
            if (cl_options_caps(&options, have, &caps, &err) < 0) {
                assert_int_equal(err.kind, CL_E_LIMIT);
                assert_true(have < 64 + options.spares + 32);
                continue;
            }
            assert_true(64 + options.spares + 2 * (uint64_t)caps.connections <= have);
            assert_in_range(caps.connections, 16, usual.connections);
            assert_in_range(caps.connections_local, 1, caps.connections);
            assert_in_range(caps.connections_per_address, 1, caps.connections_local);
        }
    }
}

static void caps_are_the_usual_ones_where_there_is_plenty(void **state)
{
    const struct cl_options options = { .log = CL_INFO, .buffer_bytes = 5 << 20, .spares = 64 };
    struct cl_err err = CL_ERR_INIT;
    struct cl_http_caps caps = usual;

    (void)state;
    assert_works(cl_options_caps(&options, 1 << 20, &caps, &err), &err);
    assert_int_equal(caps.connections, usual.connections);
    assert_int_equal(caps.connections_local, 768);
    assert_int_equal(caps.connections_per_address, 64);
    assert_int_equal(caps.memory_bytes, 5 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_have_defaults),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(caps_leave_room_for_every_jail),
        cmocka_unit_test(caps_are_the_usual_ones_where_there_is_plenty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
