/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled tenants: a good one is read as written, one wrong field refuses it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"
#include "tests/support/tenant_sample.h"

static struct cl_tenant_file tenant;

static int init(void **state)
{
    (void)state;
    tenant_sample_init(&tenant);
    return 0;
}

static void sealed_tenant_opens_and_reads_as_written(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = tenant_sample_seal(&tenant);
    const struct cl_tenant_file *seen = cl_tenantview_open(fd, &err);

    (void)state;
    if (!seen)
        fail_msg("%s", err.text);
    assert_memory_equal(seen, &tenant, sizeof(tenant));
    cl_tenantview_close(seen);
    cl_tenantview_close(NULL);
}

static void open_fails_unless_all_seals_are_set(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = memfd_create("tenant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)state;
    assert_int_equal(write(fd, &tenant, sizeof(tenant)), sizeof(tenant));
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_null(cl_tenantview_open(fd, &err));
    assert_non_null(strstr(err.text, "not sealed"));
}

static void open_fails_for_what_is_no_memfd_or_has_another_size(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cl_close_auto int empty = memfd_create("tenant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)state;
    assert_null(cl_tenantview_open(file, &err));
    assert_int_equal(err.kind, CL_E_SYS);
    assert_int_equal(
        fcntl(empty, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_null(cl_tenantview_open(empty, &err));
    assert_non_null(strstr(err.text, "0 bytes"));
}

static void longest_of_everything_passes(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    memset(tenant.name, 'n', CL_TENANT_NAME_MAX - 1);
    memset(tenant.functions_dir, '/', CL_TENANT_DIR_MAX - 1);
    tenant.policy_count = CL_TENANT_POLICIES_MAX;
    for (char i = 0; i < CL_TENANT_POLICIES_MAX; i++)
        tenant.policies[(int)i][0] = (char)(i < 10 ? '0' + i : 'a' - 10 + i);
    tenant.token_count = CL_TENANT_TOKENS_MAX;
    for (uint32_t i = 0; i < CL_TENANT_TOKENS_MAX; i++) {
        tenant.tokens[i] = (struct cl_tenant_token){ .id = "t", .scopes = CL_SCOPE_CALL };
        memset(tenant.tokens[i].id, 'a' + (int)(i % 26), 1 + i / 26);
        tenant.tokens[i].hash[0] = (uint8_t)i;
    }
    assert_works(cl_tenantview_check(&tenant, sizeof(tenant), &err), &err);
}

static void nothing_but_a_policy_is_needed(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    memset(tenant.tokens, 0, sizeof(tenant.tokens));
    memset(&tenant.quota, 0, sizeof(tenant.quota));
    memset(tenant.functions_dir, 0, sizeof(tenant.functions_dir));
    tenant.token_count = 0;
    tenant.quota.weight = 1;
    assert_works(cl_tenantview_check(&tenant, sizeof(tenant), &err), &err);
}

/* Writes into a good tenant at `offset`; that must refuse it. */
struct wrong {
    const char *what;
    size_t offset;
    size_t length;
    const char *bytes;
};

#define AT(field) offsetof(struct cl_tenant_file, field)
#define PUT(field, text)                                                                       \
    {                                                                                          \
#field " = " #text, AT(field), sizeof(text) - 1, text                                  \
    }

static const struct wrong wrongs[] = {
    PUT(magic, "\0"),
    PUT(version, "\2"),
    PUT(size, "\1"),
    PUT(reserved, "\1"),
    PUT(name, "\0"),
    PUT(name, "Acme"),
    PUT(name, "_cme"),
    PUT(name, "a/me"),
    PUT(name, "local\0"),
    PUT(name[5], "x"), /* behind the end */
    PUT(policy_count, "\0"),
    PUT(policy_count, "\1"), /* one more than it says */
    PUT(policy_count, "\3"),
    PUT(policy_count, "\377\377\377\377"),
    PUT(policies[1], "default"),
    PUT(policies[0], "../../x"),
    PUT(token_count, "\1"),
    PUT(token_count, "\3"),
    PUT(token_count, "\377\377\377\377"),
    PUT(tokens[1].id, "ci\0"),
    PUT(tokens[0].id, "a b"),
    PUT(tokens[0].scopes, "\0"),
    PUT(tokens[0].scopes, "\40"),
    PUT(tokens[0].reserved, "\1"),
    PUT(tokens[63].hash, "\1"),
    PUT(certificate_count, "\0"),
    PUT(certificate_count, "\2"),
    PUT(certificates[0].id, "ci\0"), /* a token's */
    PUT(certificates[0].scopes, "\0"),
    PUT(certificate_count, "\377\377\377\377"),
    PUT(certificates[3].hash, "\1"),
    PUT(reserved_2, "\1"),
    PUT(quota.burst, "\0"),
    PUT(quota.rate.amount, "\0"),
    PUT(quota.rate.window_s, "\0"),
    PUT(quota.rate.window_s, "\377\377\377\377"),
    PUT(quota.rate.amount, "\0\0\0\0\1"),
    PUT(quota.concurrency, "\0\0\0\0\1"),
    PUT(quota.queue, "\0\0\0\0\1"),
    PUT(quota.burst, "\0\0\0\0\1"),
    PUT(quota.weight, "\0"),
    PUT(quota.weight, "\377\377\377\377"),
    PUT(functions_dir, "s"),
    PUT(functions_dir, "/../"),
    PUT(functions_dir, "/./a"),
    PUT(functions_dir, "/s\1"),
    PUT(functions_dir[19], "\0x"),
    PUT(functions_dir[1023], "x"),
};

static void one_wrong_field_refuses_a_tenant(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrongs); i++) {
        tenant_sample_init(&tenant);
        memcpy((char *)&tenant + wrongs[i].offset, wrongs[i].bytes, wrongs[i].length);
        if (cl_tenantview_check(&tenant, sizeof(tenant), &err) == 0)
            fail_msg("%s passes", wrongs[i].what);
        assert_int_equal(err.kind, CL_E_INPUT);
    }
}

static void same_hash_twice_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    memcpy(tenant.tokens[1].hash, tenant.tokens[0].hash, CL_TENANT_HASH);
    assert_fails(cl_tenantview_check(&tenant, sizeof(tenant), &err), &err, CL_E_INPUT);
}

static void other_lengths_are_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(cl_tenantview_check(&tenant, sizeof(tenant) - 1, &err), &err, CL_E_INPUT);
    assert_fails(cl_tenantview_check(&tenant, 0, &err), &err, CL_E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sealed_tenant_opens_and_reads_as_written, init),
        cmocka_unit_test_setup(open_fails_unless_all_seals_are_set, init),
        cmocka_unit_test_setup(open_fails_for_what_is_no_memfd_or_has_another_size, init),
        cmocka_unit_test_setup(longest_of_everything_passes, init),
        cmocka_unit_test_setup(nothing_but_a_policy_is_needed, init),
        cmocka_unit_test_setup(one_wrong_field_refuses_a_tenant, init),
        cmocka_unit_test_setup(same_hash_twice_is_refused, init),
        cmocka_unit_test_setup(other_lengths_are_refused, init),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
