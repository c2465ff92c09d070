/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens to keys, for as many as there may be.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/tenants/keyring.h"
#include "sandbox/base/own.h"

enum { MANY = 50000 };

static struct cl_keyring ring;

static int setup(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    cl_keyring_init(&ring);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_keyring_fini(&ring);
    return 0;
}

static const char *token_of(unsigned number)
{
    static char text[64];

    snprintf(text, sizeof(text), "cloche_token-number-%u", number);
    return text;
}

static void fill(struct cl_key *keys, unsigned count)
{
    cl_keyring_clear(&ring);
    for (unsigned i = 0; i < count; i++) {
        const char *token = token_of(i);
        keys[i].digest = cl_token_digest(token, strlen(token));
        cl_keyring_add(&ring, &keys[i]);
    }
    cl_keyring_sort(&ring);
}

static struct cl_key *find(const char *token)
{
    return cl_keyring_find(&ring, token, strlen(token));
}

static void certificate_is_no_token_and_a_token_no_certificate(void **state)
{
    struct cl_key keys[2] = { { .id = "token" }, { .id = "certificate" } };
    uint8_t print[CL_TENANT_HASH];

    (void)state;
    fill(keys, 2);
    keys[1].is_certificate = true;
    memcpy(print, keys[1].digest.bytes, sizeof(print));
    assert_ptr_equal(cl_keyring_find_certificate(&ring, print), &keys[1]);
    assert_null(find(token_of(1))); /* a text of that digest */
    assert_null(cl_keyring_find_certificate(&ring, keys[0].digest.bytes));
    print[31] ^= 1;
    assert_null(cl_keyring_find_certificate(&ring, print));
}

static void empty_ring_knows_nobody(void **state)
{
    (void)state;
    cl_keyring_sort(&ring);
    assert_null(find("cloche_token-number-0"));
}

static void every_token_finds_its_key_and_no_other_one(void **state)
{
    static const unsigned counts[] = { 1, 2, 3, 7, 8, 1000, MANY };
    cl_free_auto struct cl_key *keys = calloc(MANY, sizeof(*keys));

    (void)state;
    for (size_t i = 0; i < CL_COUNT(counts); i++) {
        fill(keys, counts[i]);
        for (unsigned j = 0; j < counts[i]; j++)
            assert_ptr_equal(find(token_of(j)), &keys[j]);
        assert_null(find(token_of(counts[i])));
        assert_null(find(""));
        assert_null(find("cloche_token-number-"));
    }
}

static void cleared_ring_has_forgotten(void **state)
{
    struct cl_key keys[2] = { 0 };

    (void)state;
    fill(keys, 2);
    fill(keys, 1);
    assert_ptr_equal(find(token_of(0)), &keys[0]);
    assert_null(find(token_of(1)));
}

static void tags_of_another_ring_say_nothing(void **state)
{
    struct cl_key keys[1] = { 0 };

    (void)state;
    fill(keys, 1);
    const uint64_t before = ring.rows[0].tag;
    fill(keys, 1);
    assert_int_not_equal(before, ring.rows[0].tag);
}

static void scopes_are_shown_as_words(void **state)
{
    char text[128];

    (void)state;
    cl_keyring_put_scopes(CL_SCOPE_CALL | CL_SCOPE_POLICIES_READ, text, sizeof(text));
    assert_string_equal(text, "call, policies:read");
    cl_keyring_put_scopes(CL_SCOPES_ALL, text, sizeof(text));
    assert_string_equal(text, "call, modules, workflows, policies:read, admin");
    cl_keyring_put_scopes(0, text, sizeof(text));
    assert_string_equal(text, "");
    cl_keyring_put_scopes(CL_SCOPES_ALL, text, 8);
    assert_true(strlen(text) < 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(certificate_is_no_token_and_a_token_no_certificate,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(empty_ring_knows_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(every_token_finds_its_key_and_no_other_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(cleared_ring_has_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_of_another_ring_say_nothing, setup, teardown),
        cmocka_unit_test(scopes_are_shown_as_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
