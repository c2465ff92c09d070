/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tenants.yaml: what it says is what the compiled tenants hold, and every wrong value is named.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/tenants.h"
#include "policies/tenanttable.h"
#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"

#define PRINT                                                                                  \
    "sha256:"                                                                                  \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HASH_A "b2:00000000000000000000000000000000000000000000000000000000000000aa"
#define HASH_B "b2:00000000000000000000000000000000000000000000000000000000000000ff"

struct made {
    struct cl_set *set;
    struct cl_report report;
    struct cl_tenants *tenants;
    char first[1200];
    bool is_good;
};

static void open_text(struct made *made, const char *text)
{
    *made = (struct made){ .set = cl_set_new(), .report = CL_REPORT_INIT };
    made->tenants = cl_tenants_read("tenants.yaml", text, strlen(text), &made->report);
    made->is_good = cl_tenants_check(made->tenants, made->set, &made->report) == 0;
    for (size_t i = 0; i < made->report.count && !made->first[0]; i++) {
        if (!made->report.problems[i].is_warning)
            cl_report_format(&made->report.problems[i], made->first, sizeof(made->first));
    }
}

static void fini(struct made *made)
{
    cl_set_free(made->set);
    cl_tenants_free(made->tenants);
    cl_report_fini(&made->report);
}

static void every_key_arrives_in_the_compiled_tenant(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct made made;

    (void)state;
    open_text(&made,
              "version: 1\ntenants:\n  acme:\n    policies: [strict, default]\n"
              "    tokens:\n      - {id: ci, hash: \"" HASH_A "\", scopes: [call, admin]}\n"
              "      - {id: web, hash: \"" HASH_B "\"}\n"
              "    quota: {concurrency: 3, queue: 4, rate: 600/m, burst: 7, cpu: 10s/h,\n"
              "            memory: 1Gi, stored: 2Mi, weight: 5}\n"
              "    functions_dir: /srv/acme\n  beta: {policies: [default]}\n");
    assert_string_equal(made.first, "");
    assert_true(made.is_good);
    assert_int_equal(made.tenants->count, 2);
    const struct cl_tenant_file *acme = &made.tenants->entries[0].file;
    assert_works(cl_tenantview_check(acme, sizeof(*acme), &err), &err);
    assert_string_equal(acme->name, "acme");
    assert_int_equal(acme->policy_count, 2);
    assert_string_equal(acme->policies[0], "strict");
    assert_int_equal(acme->token_count, 2);
    assert_string_equal(acme->tokens[0].id, "ci");
    assert_int_equal(acme->tokens[0].hash[31], 0xaa);
    assert_int_equal(acme->tokens[0].scopes, CL_SCOPE_CALL | CL_SCOPE_ADMIN);
    assert_int_equal(acme->tokens[1].scopes, CL_SCOPES_DEFAULT);
    assert_int_equal(acme->quota.concurrency, 3);
    assert_int_equal(acme->quota.queue, 4);
    assert_int_equal(acme->quota.rate.amount, 600);
    assert_int_equal(acme->quota.rate.window_s, 60);
    assert_int_equal(acme->quota.burst, 7);
    assert_int_equal(acme->quota.cpu.amount, 10000);
    assert_int_equal(acme->quota.cpu.window_s, 3600);
    assert_int_equal(acme->quota.memory_bytes, 1 << 30);
    assert_int_equal(acme->quota.stored_bytes, 2 << 20);
    assert_int_equal(acme->quota.weight, 5);
    assert_string_equal(acme->functions_dir, "/srv/acme");
    const struct cl_tenant_file *beta = &made.tenants->entries[1].file;
    assert_works(cl_tenantview_check(beta, sizeof(*beta), &err), &err);
    assert_int_equal(beta->quota.rate.amount, 0);
    assert_int_equal(beta->quota.weight, 100);
    fini(&made);
}

static void rate_without_a_burst_has_that_of_its_window(void **state)
{
    struct made made;

    (void)state;
    open_text(&made, "version: 1\ntenants: {a: {policies: [strict], quota: {rate: 30/m}}}\n");
    assert_true(made.is_good);
    assert_int_equal(made.tenants->entries[0].file.quota.burst, 30);
    fini(&made);
}

/* The value of one key of tenant a, and what is said of it. */
static const struct {
    const char *key;
    const char *value;
    const char *says;
} wrongs[] = {
    { "policies", "default", "tenants.a.policies: found default, expected a list of 1 to 32" },
    { "policies", "[]", "tenants.a.policies" },
    { "policies", "+[default]", "tenants.a.policies" },
    { "policies", "[Default]", "found Default" },
    { "policies", "[../x]", "found ../x" },
    { "policies", "[[a]]", "found a list" },
    { "policies", "[default, default]", "'default' is there twice" },
    { "policies", "[defaulx]", "there is no policy 'defaulx'; did you mean 'default'?" },
    { "certificates", "{id: x}", "tenants.a.certificates: found a mapping" },
    { "certificates", "[{id: x}]", "the key 'fingerprint' is missing" },
    { "certificates", "[{id: x, fingerprint: '" HASH_A "'}]",
      "expected sha256: and 64 digits" },
    { "certificates", "[{id: x, hash: '" HASH_A "'}]", "unknown key 'hash'" },
    { "certificates", "[{id: x, fingerprint: '" PRINT "'}, {id: y, fingerprint: '" PRINT "'}]",
      "another certificate has this fingerprint" },
    { "tokens",
      "[{id: x, hash: '" HASH_A "'}]\n"
      "    certificates: [{id: x, fingerprint: '" PRINT "'}]",
      "'x' is there twice" },
    { "tokens", "{id: x}", "tenants.a.tokens: found a mapping" },
    { "tokens", "[x]", "tenants.a.tokens: found x" },
    { "tokens", "[{hash: '" HASH_A "'}]", "the key 'id' is missing" },
    { "tokens", "[{id: x}]", "the key 'hash' is missing" },
    { "tokens", "[{id: X, hash: '" HASH_A "'}]", "tenants.a.tokens.0.id: found X" },
    { "tokens", "[{id: x, hash: '" HASH_A "0'}]", "tenants.a.tokens.0.hash" },
    { "tokens", "[{id: x, hash: 'B2:'}]", "expected b2: and 64 digits" },
    { "tokens", "[{id: x, hash: '" HASH_A "', scopes: []}]", "tenants.a.tokens.0.scopes" },
    { "tokens", "[{id: x, hash: '" HASH_A "', scopes: call}]", "found call, expected a list" },
    { "tokens", "[{id: x, hash: '" HASH_A "', scopes: [all]}]", "found all" },
    { "tokens", "[{id: x, hash: '" HASH_A "', scopes: [call, call]}]", "there twice" },
    { "tokens", "[{id: x, hash: '" HASH_A "', scope: [call]}]", "did you mean 'scopes'?" },
    { "tokens", "[{id: x, hash: '" HASH_A "'}, {id: x, hash: '" HASH_B "'}]", "'x' is there" },
    { "tokens", "[{id: x, hash: '" HASH_A "'}, {id: y, hash: '" HASH_A "'}]",
      "another token has this hash" },
    { "quota", "5", "tenants.a.quota: found 5, expected a mapping" },
    { "quota", "{concurrency: 0}", "0 is out of range, expected 1 to 65536" },
    { "quota", "{concurrency: '5'}", "tenants.a.quota.concurrency: found the text '5'" },
    { "quota", "{concurrency: 5s}", "expected a whole number" },
    { "quota", "{rate: 5}", "tenants.a.quota.rate: found 5, expected a rate such as 50/s" },
    { "quota", "{rate: 5/d}", "found 5/d" },
    { "quota", "{rate: 0/s}", "0/s is out of range, expected 1 to 1000000" },
    { "quota", "{rate: 99999999999999999999/s}", "expected a rate" },
    { "quota", "{rate: 5/s/s}", "expected a rate" },
    { "quota", "{rate: [5]}", "expected a rate" },
    { "quota", "{cpu: 5/s}", "expected a time in a window" },
    { "quota", "{cpu: 2000h/h}", "out of range" },
    { "quota", "{burst: 5}", "a burst needs a rate beside it" },
    { "quota", "{memory: 1Ki}", "1Ki is out of range, expected 16Mi to 64Ti" },
    { "quota", "{weight: 10001}", "10001 is out of range, expected 1 to 10000" },
    { "quota", "{wait: 5}", "unknown key 'wait' in 'tenants.a.quota'" },
    { "quota", "{quota.rate: 5}", "unknown key 'quota.rate'" },
    { "quota", "{rate: 5/s, rate: 6/s}", "duplicate key 'rate'" },
    { "functions_dir", "srv", "expected an absolute path" },
    { "functions_dir", "/srv/../etc", "expected an absolute path" },
    { "functions_dir", "/", "expected an absolute path" },
    { "\"*\"", "{}", "unknown key '*' in 'tenants.a'" },
    { "tenants", "{}", "unknown key 'tenants' in 'tenants.a'" },
};

static void wrong_values_are_named_with_what_is_allowed(void **state)
{
    struct made made;
    char text[1024];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrongs); i++) {
        bool is_policies = strcmp(wrongs[i].key, "policies") == 0;
        snprintf(text, sizeof(text), "version: 1\ntenants:\n  a:\n%s    %s: %s\n",
                 is_policies ? "" : "    policies: [default]\n", wrongs[i].key,
                 wrongs[i].value);
        open_text(&made, text);
        if (made.is_good || !strstr(made.first, wrongs[i].says))
            fail_msg("%s: %s\nsays %s", wrongs[i].key, wrongs[i].value, made.first);
        fini(&made);
    }
}

static const struct {
    const char *text;
    const char *says;
} files[] = {
    { "tenants: {}\n", "the key 'version' is missing" },
    { "version: 2\ntenants: {}\n", "2 is out of range" },
    { "version: 1\ntenants: []\n", "tenants: found a list, expected a mapping of names" },
    { "version: 1\ntenats: {}\n", "did you mean 'tenants'?" },
    { "version: 1\ntenants: {a: {}}\n", "the key 'policies' is missing" },
    { "version: 1\ntenants: {a: 5}\n", "tenants.a: found 5, expected a mapping" },
    { "version: 1\ntenants: {local: {policies: [default]}}\n", "'local' is always there" },
    { "version: 1\ntenants: {Local: {policies: [default]}}\n", "no name of a tenant" },
    { "version: 1\ntenants: {\"a\\0b\": {}}\n", "control characters" },
    { "version: 1\ntenants: {\"\": {policies: [default]}}\n", "'' is no name of a tenant" },
    { "version: 1\ntenants: {a: &x {policies: [default]}, b: *x}\n", "anchors are not" },
    { "version: 1\ntenants: {a: {policies: [strict]}, a: {policies: [default]}}\n",
      "duplicate key 'a', first on line 2" },
    { "- a\n", "a tenants file is a mapping" },
    { "", "an empty file is not a tenants file" },
};

static void wrong_files_are_refused_as_a_whole(void **state)
{
    struct made made;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(files); i++) {
        open_text(&made, files[i].text);
        if (made.is_good || !strstr(made.first, files[i].says))
            fail_msg("%s\nsays %s", files[i].text, made.first);
        fini(&made);
    }
}

static char *many(unsigned tenants)
{
    const size_t size = 64 + (size_t)tenants * 48;
    char *text = malloc(size);
    size_t used = (size_t)snprintf(text, size, "version: 1\ntenants:\n");

    for (unsigned i = 0; i < tenants; i++)
        used += (size_t)snprintf(text + used, size - used, "  t%u: {policies: [default]}\n", i);
    return text;
}

static void a_thousand_tenants_are_few_enough(void **state)
{
    cl_free_auto char *most = many(CL_TENANT_FILE_MAX);
    cl_free_auto char *over = many(CL_TENANT_FILE_MAX + 1);
    struct made made;

    (void)state;
    open_text(&made, most);
    assert_true(made.is_good);
    assert_int_equal(made.tenants->count, CL_TENANT_FILE_MAX);
    assert_string_equal(made.tenants->entries[CL_TENANT_FILE_MAX - 1].file.name, "t1022");
    fini(&made);
    open_text(&made, over);
    assert_false(made.is_good);
    assert_non_null(strstr(made.first, "1024 tenants, at most 1023"));
    fini(&made);
}

/* There is room for what the first one may hold, not for both. */
static void second_key_of_a_name_is_not_taken(void **state)
{
    struct made made;
    char text[16384] = "version: 1\ntenants:\n  a:\n";
    size_t used = strlen(text);

    (void)state;
    for (int i = 0; i < 3; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "    tokens:\n");
        for (int j = 0; j < CL_TENANT_TOKENS_MAX; j++)
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "      - {id: a%d}\n", j);
    }
    snprintf(text + used, sizeof(text) - used, "tenants: {b: {}, c: {}, d: {}}\n");
    open_text(&made, text);
    assert_false(made.is_good);
    assert_int_equal(made.tenants->count, 1);
    assert_int_equal(made.tenants->entries[0].file.token_count, CL_TENANT_TOKENS_MAX);
    fini(&made);
}

static void hash_of_another_tenants_token_is_refused(void **state)
{
    struct made made;

    (void)state;
    open_text(&made, "version: 1\ntenants:\n"
                     "  a: {policies: [default], tokens: [{id: x, hash: \"" HASH_A "\"}]}\n"
                     "  b: {policies: [default], tokens: [{id: x, hash: \"" HASH_A "\"}]}\n");
    assert_false(made.is_good);
    assert_non_null(strstr(made.first, "tenants.yaml:4:"));
    assert_non_null(strstr(made.first, "on line 3"));
    fini(&made);
}

static void tenants_are_told_by_name_or_content(void **state)
{
    (void)state;
    assert_true(cl_tenants_is("/etc/cloche/tenants.yaml", ""));
    assert_true(cl_tenants_is("x.yaml", "version: 1\ntenants:\n  a: {}\n"));
    assert_true(cl_tenants_is("x.yaml", "tenants : {}"));
    assert_false(cl_tenants_is("x.yaml", "version: 1\n  tenants: {}\n"));
    assert_false(cl_tenants_is("tenants.yaml.yaml", "tenantss: {}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_arrives_in_the_compiled_tenant),
        cmocka_unit_test(rate_without_a_burst_has_that_of_its_window),
        cmocka_unit_test(wrong_values_are_named_with_what_is_allowed),
        cmocka_unit_test(wrong_files_are_refused_as_a_whole),
        cmocka_unit_test(a_thousand_tenants_are_few_enough),
        cmocka_unit_test(second_key_of_a_name_is_not_taken),
        cmocka_unit_test(hash_of_another_tenants_token_is_refused),
        cmocka_unit_test(tenants_are_told_by_name_or_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
