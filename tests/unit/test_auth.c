/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens, and the rate of wrong ones.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "tests/support/api_fake.h"

static struct api_fake fake;

static int setup(void **state)
{
    (void)state;
    api_fake_init(&fake, NULL, &cl_calls_jobs, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_fake_fini(&fake);
    return 0;
}

static void token_is_what_follows_bearer(void **state)
{
    size_t length = 0;

    (void)state;
    assert_string_equal(cl_auth_token("Bearer abc", &length), "abc");
    assert_int_equal(length, 3);
    assert_string_equal(cl_auth_token("bEARER abc", &length), "abc");
}

static void anything_else_is_no_token(void **state)
{
    static const char *const fields[] = {
        "",    "Bearer",     "Bearer ",   "Bearer  abc",  "Basic abc", "bearer\tabc",
        "abc", "Bearer a b", "Bearer a,", "Bearer abc\t", "Bearerabc"
    };
    char longest[CL_TOKEN_MAX + 9] = "Bearer ";
    size_t length = 0;

    (void)state;
    assert_null(cl_auth_token(NULL, &length));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        assert_null(cl_auth_token(fields[i], &length));
    memset(longest + 7, 'x', CL_TOKEN_MAX);
    assert_non_null(cl_auth_token(longest, &length));
    longest[7 + CL_TOKEN_MAX] = 'x';
    assert_null(cl_auth_token(longest, &length));
}

static struct cl_key *check(const char *field, const char *peer, struct cl_refusal *refusal)
{
    const struct cl_auth_shown shown = { field, NULL, peer };

    return cl_auth_check(&fake.app.auth, fake.app.tenancy, &shown, refusal);
}

static void right_token_finds_its_tenant(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    const struct cl_key *key;

    (void)state;
    key = check("Bearer " API_FAKE_TOKEN, "a", &refusal);
    assert_non_null(key);
    assert_string_equal(key->tenant->name, "local");
}

static void every_wrong_token_gets_the_same_answer(void **state)
{
    static const char *const fields[] = { NULL,
                                          "Bearer",
                                          "Bearer x",
                                          "Basic abc",
                                          "Bearer " API_FAKE_TOKEN "0",
                                          "Bearer clt_0123456789abcdef0123456789abcde0" };

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct cl_refusal refusal = CL_REFUSAL_INIT;
        struct cl_refusal reference = CL_REFUSAL_INIT;

        assert_null(check(fields[i], "a", &refusal));
        assert_null(check("Bearer y", "a", &reference));
        assert_memory_equal(&refusal, &reference, sizeof(refusal));
        assert_int_equal(refusal.kind, CL_R_UNAUTHORIZED);
    }
}

static void wrong_tokens_are_limited_by_address_and_come_back(void **state)
{
    struct cl_auth auth;
    const uint64_t start = 1000000;
    unsigned taken = 0;

    (void)state;
    cl_auth_init(&auth);
    while (cl_auth_count_wrong(&auth, "a", start))
        taken++;
    assert_int_equal(taken, 100);
    assert_true(cl_auth_count_wrong(&auth, "b", start));
    assert_false(cl_auth_count_wrong(&auth, "a", start + 90000));
    assert_true(cl_auth_count_wrong(&auth, "a", start + 110000));
    assert_false(cl_auth_count_wrong(&auth, "a", start + 110000));
    taken = 0;
    while (cl_auth_count_wrong(&auth, "a", start + 3600000000))
        taken++;
    assert_int_equal(taken, 100);
}

/* Many tries between two thousandths of a second must not lose time. */
static void impatience_does_not_starve_an_address(void **state)
{
    struct cl_auth auth;
    uint64_t now = 1000000;
    unsigned taken = 0;

    (void)state;
    cl_auth_init(&auth);
    while (cl_auth_count_wrong(&auth, "a", now))
        ;
    for (int i = 0; i < 100000; i++) {
        now += 10;
        taken += cl_auth_count_wrong(&auth, "a", now);
    }
    assert_int_equal(taken, 10);
}

static void too_many_wrong_ones_are_429_but_the_right_one_passes(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    for (int i = 0; i < 101; i++)
        assert_null(check("Bearer x", "z", &refusal));
    assert_int_equal(refusal.kind, CL_R_TOO_MANY_FAILURES);
    assert_true(refusal.retry_after_s > 0);
    assert_non_null(check("Bearer " API_FAKE_TOKEN, "z", &refusal));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_is_what_follows_bearer),
        cmocka_unit_test(anything_else_is_no_token),
        cmocka_unit_test_setup_teardown(right_token_finds_its_tenant, setup, teardown),
        cmocka_unit_test_setup_teardown(every_wrong_token_gets_the_same_answer, setup,
                                        teardown),
        cmocka_unit_test(wrong_tokens_are_limited_by_address_and_come_back),
        cmocka_unit_test(impatience_does_not_starve_an_address),
        cmocka_unit_test_setup_teardown(too_many_wrong_ones_are_429_but_the_right_one_passes,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
