/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of tenants and policies.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

#include "api/tenants/tenant.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_sample.h"
#include "tests/support/tenant_sample.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define TOKEN_A   "token-of-tenant-a-0001"
#define TOKEN_B   "token-of-tenant-b-0002"

static struct cl_tenancy *tenancy;
static unsigned changes;
static uint32_t changed; /* index of the last one */

static void on_change(void *self, struct cl_pool *pool)
{
    (void)self;
    changes++;
    changed = pool->index;
}

static int setup(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    tenancy = cl_tenancy_new();
    changes = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_tenancy_free(tenancy);
    return 0;
}

static int file_of(const void *bytes, size_t length, int seals)
{
    const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(pwrite(fd, bytes, length, 0), length);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static int tell_tenant(uint32_t index, const char *name, const char *token, uint32_t generation,
                       struct cl_err *err)
{
    struct cl_msg_tenant msg = { .tenant = index, .generation = generation };
    cl_close_auto int fd = file_of(token, strlen(token), 0);

    snprintf(msg.name, sizeof(msg.name), "%s", name);
    return cl_tenancy_on_tenant(tenancy, &msg, fd, err);
}

/* Policy `name` with this wall limit, which is its content. */
static int tell_policy(uint32_t pool, uint32_t tenant, const char *name, uint64_t wall_ms,
                       uint32_t generation, struct cl_err *err)
{
    struct cl_msg_policy msg = { .pool = pool, .tenant = tenant, .generation = generation };
    struct policy_sample sample;

    policy_sample_init(&sample);
    memset(sample.head.name, 0, sizeof(sample.head.name));
    snprintf(sample.head.name, sizeof(sample.head.name), "%s", name);
    sample.head.wall_ms = wall_ms;
    memcpy(sample.head.digest, &wall_ms, sizeof(wall_ms));
    cl_close_auto int fd = file_of(&sample, sizeof(sample), ALL_SEALS);
    memcpy(msg.name, sample.head.name, sizeof(msg.name));
    return cl_tenancy_on_policy(tenancy, &msg, fd, err);
}

static int tell_loaded(uint32_t policies, uint32_t generation, struct cl_err *err)
{
    const struct cl_msg_loaded msg = { .generation = generation, .policies = policies };

    return cl_tenancy_on_loaded(tenancy, &msg, on_change, NULL, err);
}

static void load_two(uint32_t generation, uint64_t wall_ms)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(tell_tenant(0, "a", TOKEN_A, generation, &err), &err);
    assert_works(tell_tenant(1, "b", TOKEN_B, generation, &err), &err);
    assert_works(tell_policy(5, 0, "strict", 1000, generation, &err), &err);
    assert_works(tell_policy(2, 0, "default", wall_ms, generation, &err), &err);
    assert_works(tell_policy(9, 1, "default", 1000, generation, &err), &err);
    assert_works(tell_loaded(3, generation, &err), &err);
}

static const struct cl_tenant *by(const char *token)
{
    const struct cl_key *key = cl_tenancy_by_token(tenancy, token, strlen(token));

    return key ? key->tenant : NULL;
}

static void nothing_is_in_force_before_loaded(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(tell_tenant(0, "a", TOKEN_A, 1, &err), &err);
    assert_works(tell_policy(5, 0, "strict", 1000, 1, &err), &err);
    assert_null(by(TOKEN_A));
    assert_null(cl_tenancy_pool(tenancy, 5));
    assert_int_equal(cl_tenancy_generation(tenancy), 0);
    assert_works(tell_loaded(1, 1, &err), &err);
    assert_non_null(by(TOKEN_A));
    assert_int_equal(cl_tenancy_generation(tenancy), 1);
    assert_int_equal(changes, 1);
}

static void refused_reload_is_known_until_one_is_not(void **state)
{
    const struct cl_msg_problem msg = { .generation = 1, .count = 2, .text = "mine.yaml:3" };

    (void)state;
    load_two(1, 2000);
    assert_null(cl_tenancy_problem(tenancy));
    cl_tenancy_on_problem(tenancy, &msg);
    assert_string_equal(cl_tenancy_problem(tenancy)->text, "mine.yaml:3");
    assert_int_equal(cl_tenancy_generation(tenancy), 1);
    assert_non_null(by(TOKEN_A));
    load_two(2, 2000);
    assert_null(cl_tenancy_problem(tenancy));
}

static void tokens_and_policies_belong_to_one_tenant(void **state)
{
    const struct cl_tenant *a;
    const struct cl_tenant *b;

    (void)state;
    load_two(1, 2000);
    a = by(TOKEN_A);
    b = by(TOKEN_B);
    assert_string_equal(a->name, "a");
    assert_string_equal(b->name, "b");
    assert_null(by("token-of-tenant-c-0003"));
    assert_int_equal(cl_tenancy_find(tenancy, a, "default")->index, 2);
    assert_int_equal(cl_tenancy_find(tenancy, b, "default")->index, 9);
    assert_null(cl_tenancy_find(tenancy, b, "strict"));
    assert_null(cl_tenancy_pool(tenancy, 3));
    assert_null(cl_tenancy_pool(tenancy, 0));
}

static void the_default_is_called_so_or_told_first(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    load_two(1, 2000);
    assert_int_equal(cl_tenancy_find(tenancy, by(TOKEN_A), "")->index, 2);
    assert_int_equal(cl_tenancy_find(tenancy, by(TOKEN_B), "")->index, 9);
    assert_works(tell_tenant(0, "a", TOKEN_A, 2, &err), &err);
    assert_works(tell_policy(5, 0, "strict", 1000, 2, &err), &err);
    assert_works(tell_policy(4, 0, "another", 1000, 2, &err), &err);
    assert_works(tell_loaded(2, 2, &err), &err);
    assert_int_equal(cl_tenancy_find(tenancy, by(TOKEN_A), "")->index, 5);
}

static void next_walks_live_pools_of_one_or_all(void **state)
{
    struct cl_pool *pool;

    (void)state;
    load_two(1, 2000);
    pool = cl_tenancy_next(tenancy, by(TOKEN_A), NULL);
    assert_int_equal(pool->index, 5);
    pool = cl_tenancy_next(tenancy, by(TOKEN_A), pool);
    assert_int_equal(pool->index, 2);
    assert_null(cl_tenancy_next(tenancy, by(TOKEN_A), pool));
    assert_int_equal(cl_tenancy_next(tenancy, NULL, pool)->index, 9);
}

static void a_reload_tells_only_what_changed(void **state)
{
    (void)state;
    load_two(1, 2000);
    assert_int_equal(changes, 3);
    load_two(2, 2000);
    assert_int_equal(changes, 3);
    assert_int_equal(cl_tenancy_pool(tenancy, 2)->generation, 2);
    assert_int_equal(cl_tenancy_pool(tenancy, 2)->since, 1);
    load_two(3, 100);
    assert_int_equal(changes, 4);
    assert_int_equal(changed, 2);
    assert_int_equal(cl_tenancy_pool(tenancy, 2)->since, 3);
    assert_int_equal(cl_tenancy_pool(tenancy, 2)->policy->wall_ms, 100);
}

static void load_less(uint32_t generation)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(tell_tenant(0, "a", TOKEN_A, generation, &err), &err);
    assert_works(tell_policy(2, 0, "default", 2000, generation, &err), &err);
    assert_works(tell_loaded(1, generation, &err), &err);
}

static void what_a_reload_leaves_out_is_gone(void **state)
{
    (void)state;
    load_two(1, 2000);
    load_less(2);
    assert_null(by(TOKEN_B));
    assert_null(cl_tenancy_find(tenancy, by(TOKEN_A), "strict"));
    assert_null(cl_tenancy_pool(tenancy, 9));
    load_two(3, 2000);
    assert_non_null(by(TOKEN_B));
    assert_int_equal(cl_tenancy_pool(tenancy, 9)->since, 3);
}

static void a_pool_in_use_outlives_its_policy(void **state)
{
    struct cl_pool *used;

    (void)state;
    load_two(1, 2000);
    used = cl_tenancy_pool(tenancy, 9);
    used->users = 1;
    load_less(2);
    assert_int_equal(changes, 4); /* three at first, then the one in use */
    assert_ptr_equal(cl_tenancy_pool(tenancy, 9), used);
    assert_false(used->is_live);
    assert_null(cl_tenancy_next(tenancy, used->tenant, NULL));
    used->users = 0;
    load_less(3);
    assert_null(cl_tenancy_pool(tenancy, 9));
}

static void a_new_token_replaces_the_old(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    load_two(1, 2000);
    assert_works(tell_tenant(7, "a", "another-token-for-tenant-a", 2, &err), &err);
    assert_works(tell_loaded(0, 2, &err), &err);
    assert_null(by(TOKEN_A));
    assert_string_equal(by("another-token-for-tenant-a")->name, "a");
}

static int tell_file(const struct cl_tenant_file *file, uint32_t index, const char *name,
                     uint32_t generation, struct cl_err *err)
{
    struct cl_msg_tenant msg = { .tenant = index,
                                 .generation = generation,
                                 .kind = CL_TENANT_FILE };
    cl_close_auto int fd = tenant_sample_seal(file);

    snprintf(msg.name, sizeof(msg.name), "%s", name);
    return cl_tenancy_on_tenant(tenancy, &msg, fd, err);
}

/* The sample with tokens of its own: ci (TOKEN_A) may call, ops (TOKEN_B) everything. */
static struct cl_tenant_file acme(void)
{
    struct cl_tenant_file file;
    const struct cl_token_digest a = cl_token_digest(TOKEN_A, strlen(TOKEN_A));
    const struct cl_token_digest b = cl_token_digest(TOKEN_B, strlen(TOKEN_B));

    tenant_sample_init(&file);
    memcpy(file.tokens[0].hash, a.bytes, sizeof(a.bytes));
    memcpy(file.tokens[1].hash, b.bytes, sizeof(b.bytes));
    return file;
}

static void load_acme(const struct cl_tenant_file *file, uint32_t generation)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(tell_file(file, 3, "acme", generation, &err), &err);
    assert_works(tell_policy(7, 3, "numeric", 1000, generation, &err), &err);
    assert_works(tell_policy(8, 3, "default", 1000, generation, &err), &err);
    assert_works(tell_loaded(2, generation, &err), &err);
}

static struct cl_key *key_of(const char *token)
{
    return cl_tenancy_by_token(tenancy, token, strlen(token));
}

static void a_tenant_has_many_keys_and_what_its_file_says(void **state)
{
    struct cl_tenant_file file = acme();
    const struct cl_tenant *tenant;

    (void)state;
    memcpy(file.policies, (char[2][CL_TENANT_NAME_MAX]){ "numeric", "default" },
           2 * sizeof(file.policies[0]));
    load_acme(&file, 1);
    tenant = by(TOKEN_A);
    assert_ptr_equal(tenant, by(TOKEN_B));
    assert_ptr_equal(tenant, cl_tenancy_named(tenancy, "acme"));
    assert_string_equal(key_of(TOKEN_A)->id, "ci");
    assert_int_equal(key_of(TOKEN_A)->scopes, CL_SCOPE_CALL);
    assert_int_equal(key_of(TOKEN_B)->scopes, CL_SCOPES_ALL);
    assert_int_equal(tenant->quota.limits.concurrency, 16);
    assert_int_equal(cl_tenancy_find(tenancy, tenant, "")->index, 7);
    assert_int_equal(cl_tenancy_find(tenancy, tenant, "default")->index, 8);
}

static void a_certificate_opens_what_its_entry_says_as_long_as_it_is_there(void **state)
{
    struct cl_tenant_file file = acme();
    uint8_t print[CL_TENANT_HASH];
    const struct cl_key *key;

    (void)state;
    memcpy(print, file.certificates[0].hash, sizeof(print));
    load_acme(&file, 1);
    key = cl_tenancy_by_certificate(tenancy, print);
    assert_non_null(key);
    assert_string_equal(key->id, "billing");
    assert_int_equal(key->scopes, CL_SCOPE_CALL);
    assert_ptr_equal(key->tenant, by(TOKEN_A));
    file.certificate_count = 0;
    memset(&file.certificates[0], 0, sizeof(file.certificates[0]));
    load_acme(&file, 2);
    assert_null(cl_tenancy_by_certificate(tenancy, print));
    assert_false(key->is_live);
}

static void a_revoked_key_is_gone_and_its_memory_stays(void **state)
{
    struct cl_tenant_file file = acme();
    const struct cl_key *ci, *ops;

    (void)state;
    load_acme(&file, 1);
    ci = key_of(TOKEN_A);
    ops = key_of(TOKEN_B);
    file.tokens[0] = file.tokens[1];
    memset(&file.tokens[1], 0, sizeof(file.tokens[1]));
    file.token_count = 1;
    load_acme(&file, 2);
    assert_null(key_of(TOKEN_A));
    assert_false(ci->is_live);
    assert_ptr_equal(key_of(TOKEN_B), ops);
    assert_int_equal(ops->since, 1);
    file = acme();
    load_acme(&file, 3);
    assert_ptr_equal(key_of(TOKEN_A), ci);
}

/* Who came in with the old hash sees that it is not its own any more. */
static void a_rotated_key_is_younger_than_who_it_let_in(void **state)
{
    struct cl_tenant_file file = acme();

    (void)state;
    load_acme(&file, 1);
    assert_int_equal(key_of(TOKEN_A)->since, 1);
    memset(file.tokens[0].hash, 0x77, CL_TENANT_HASH);
    load_acme(&file, 2);
    assert_null(key_of(TOKEN_A));
    for (const struct cl_key *key = by(TOKEN_B)->keys; key; key = key->next)
        assert_int_equal(key->since, strcmp(key->id, "ci") == 0 ? 2 : 1);
}

static void a_broken_or_lying_tenant_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_tenant_file file = acme();
    struct cl_msg_tenant odd = { .tenant = 1, .generation = 1, .kind = 9, .name = "acme" };

    (void)state;
    file.token_count = 7;
    assert_fails(tell_file(&file, 3, "acme", 1, &err), &err, CL_E_INPUT);
    file = acme();
    assert_fails(tell_file(&file, 3, "local", 1, &err), &err, CL_E_LOST);
    cl_close_auto int fd = tenant_sample_seal(&file);
    assert_fails(cl_tenancy_on_tenant(tenancy, &odd, fd, &err), &err, CL_E_LOST);
}

static void a_policy_that_the_tenant_has_not_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    const struct cl_tenant_file file = acme();

    (void)state;
    assert_works(tell_file(&file, 3, "acme", 1, &err), &err);
    assert_fails(tell_policy(7, 3, "strict", 1000, 1, &err), &err, CL_E_LOST);
}

/* Of one file there is one mapping, for as long as any pool has it. */
static void one_policy_of_many_tenants_is_mapped_once(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct policy_sample sample;

    (void)state;
    policy_sample_init(&sample);
    cl_close_auto int fd = file_of(&sample, sizeof(sample), ALL_SEALS);
    for (uint32_t generation = 1; generation <= 2; generation++) {
        assert_works(tell_tenant(0, "a", TOKEN_A, generation, &err), &err);
        assert_works(tell_tenant(1, "b", TOKEN_B, generation, &err), &err);
        for (uint32_t i = 0; i < (generation == 1 ? 2 : 1); i++) {
            struct cl_msg_policy msg = { .pool = 4 + i, .tenant = i, .generation = generation };
            memcpy(msg.name, sample.head.name, sizeof(msg.name));
            assert_works(cl_tenancy_on_policy(tenancy, &msg, fd, &err), &err);
        }
        assert_works(tell_loaded(generation == 1 ? 2 : 1, generation, &err), &err);
        if (generation == 1)
            assert_ptr_equal(cl_tenancy_pool(tenancy, 4)->policy,
                             cl_tenancy_pool(tenancy, 5)->policy);
    }
    assert_null(cl_tenancy_pool(tenancy, 5));
    assert_int_equal(cl_tenancy_pool(tenancy, 4)->policy->wall_ms, sample.head.wall_ms);
}

static void a_thousand_tenants_come_and_go(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_tenant_file file = acme();

    (void)state;
    for (uint32_t generation = 1; generation <= 3; generation++) {
        for (uint32_t i = 0; i < CL_TENANT_FILE_MAX; i++) {
            memset(file.name, 0, sizeof(file.name));
            /* the second generation has them the other way round, and one that is new */
            snprintf(file.name, sizeof(file.name), "t%u",
                     generation == 2 ? CL_TENANT_FILE_MAX - i : i);
            memcpy(file.tokens[0].hash, &i, sizeof(i));
            memcpy(file.tokens[1].hash + 8, &i, sizeof(i));
            assert_works(tell_file(&file, i, file.name, generation, &err), &err);
        }
        assert_works(tell_loaded(0, generation, &err), &err);
        assert_non_null(cl_tenancy_named(tenancy, "t1"));
        assert_int_equal(cl_tenancy_named(tenancy, "t0") != NULL, generation != 2);
    }
}

static void token_files_hold_one_line_of_printable_ascii(void **state)
{
    static const char *const bad[] = { "",
                                       "\n",
                                       "short",
                                       "0123456789abcde\n",
                                       "0123456789 abcdef",
                                       "0123456789abcdef\n\n",
                                       "0123456789abcdef\r\n",
                                       "0123456789abcd\xc3\xa9" };
    char longest[CL_TOKEN_MAX + 3];
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++)
        assert_fails(tell_tenant(0, "a", bad[i], 1, &err), &err, CL_E_INPUT);
    memset(longest, 'x', sizeof(longest));
    longest[CL_TOKEN_MAX + 1] = '\0';
    assert_fails(tell_tenant(0, "a", longest, 1, &err), &err, CL_E_INPUT);
    longest[CL_TOKEN_MAX] = '\n';
    assert_works(tell_tenant(0, "a", longest, 1, &err), &err);
    assert_works(tell_tenant(1, "b", "0123456789abcdef", 1, &err), &err);
}

static void contradictions_are_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(tell_loaded(0, 0, &err), &err, CL_E_LOST);
    assert_works(tell_tenant(0, "a", TOKEN_A, 1, &err), &err);
    assert_fails(tell_tenant(0, "a", TOKEN_A, 1, &err), &err, CL_E_LOST);
    assert_fails(tell_tenant(1, "b", TOKEN_A, 2, &err), &err, CL_E_LOST);
    assert_fails(tell_tenant(CL_TENANTS_MAX, "b", TOKEN_A, 1, &err), &err, CL_E_LOST);
    assert_fails(tell_policy(1, 4, "default", 1, 1, &err), &err, CL_E_LOST);
    assert_fails(tell_policy(0, 0, "default", 1, 1, &err), &err, CL_E_LOST);
    assert_works(tell_policy(1, 0, "default", 1, 1, &err), &err);
    assert_fails(tell_policy(1, 0, "default", 1, 1, &err), &err, CL_E_LOST);
    assert_fails(tell_loaded(2, 1, &err), &err, CL_E_LOST);
    assert_works(tell_loaded(1, 1, &err), &err);
    assert_fails(tell_tenant(0, "a", TOKEN_A, 1, &err), &err, CL_E_LOST);
    assert_works(tell_tenant(0, "c", TOKEN_A, 2, &err), &err);
    assert_fails(tell_policy(1, 0, "default", 1, 2, &err), &err, CL_E_LOST);
}

static void policies_are_checked_and_called_by_their_name(void **state)
{
    struct cl_msg_policy msg = { .pool = 1, .generation = 1, .name = "other" };
    struct policy_sample sample;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    policy_sample_init(&sample);
    assert_works(tell_tenant(0, "a", TOKEN_A, 1, &err), &err);
    cl_close_auto int good = file_of(&sample, sizeof(sample), ALL_SEALS);
    assert_fails(cl_tenancy_on_policy(tenancy, &msg, good, &err), &err, CL_E_LOST);
    sample.head.magic++;
    cl_close_auto int bad = file_of(&sample, sizeof(sample), ALL_SEALS);
    msg.pool = 2;
    assert_int_equal(cl_tenancy_on_policy(tenancy, &msg, bad, &err), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(nothing_is_in_force_before_loaded),
        CASE(refused_reload_is_known_until_one_is_not),
        CASE(tokens_and_policies_belong_to_one_tenant),
        CASE(the_default_is_called_so_or_told_first),
        CASE(next_walks_live_pools_of_one_or_all),
        CASE(a_reload_tells_only_what_changed),
        CASE(what_a_reload_leaves_out_is_gone),
        CASE(a_pool_in_use_outlives_its_policy),
        CASE(a_new_token_replaces_the_old),
        CASE(token_files_hold_one_line_of_printable_ascii),
        CASE(contradictions_are_lost),
        CASE(policies_are_checked_and_called_by_their_name),
        cmocka_unit_test_setup_teardown(a_tenant_has_many_keys_and_what_its_file_says, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_certificate_opens_what_its_entry_says_as_long_as_it_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revoked_key_is_gone_and_its_memory_stays, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_rotated_key_is_younger_than_who_it_let_in, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_broken_or_lying_tenant_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_policy_that_the_tenant_has_not_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_policy_of_many_tenants_is_mapped_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_thousand_tenants_come_and_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
