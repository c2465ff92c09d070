/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Editing tokens in the text of a tenants file: what is asked for changes, nothing else does.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "policies/tokenedit.h"
#include "sandbox/base/own.h"

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"
#define A     "\"b2:" ZEROS "aa\""
#define B     "\"b2:" ZEROS "bb\""
#define NEW   "\"b2:" ZEROS "cc\""
#define HEAD  "# top\nversion: 1\ntenants:\n  a: # us\n    policies: [default]\n"
#define ENTRY "{id: n, hash: " NEW ", scopes: [call, \"policies:read\"]}\n"

static const struct {
    const char *before;
    enum cl_tokenedit what;
    const char *id;
    const char *after;
} edits[] = {
    /* a block keeps its comments and its dashes */
    { HEAD "    tokens:\n    # one\n    - {id: x, hash: " A "} # x\n    quota: {rate: 1/s}\n",
      CL_TOKEN_ADD, "n",
      HEAD "    tokens:\n    # one\n    - {id: x, hash: " A "} # x\n    - " ENTRY
           "    quota: {rate: 1/s}\n" },
    { HEAD "    tokens:\n      - id: x\n        hash: " A "\n\n  b: {policies: [strict]}\n",
      CL_TOKEN_ADD, "n",
      HEAD "    tokens:\n      - id: x\n        hash: " A "\n      - " ENTRY
           "\n  b: {policies: [strict]}\n" },
    /* the last line without an end */
    { HEAD "    tokens:\n      - {id: x, hash: " A "}", CL_TOKEN_ADD, "n",
      HEAD "    tokens:\n      - {id: x, hash: " A "}\n      - " ENTRY },
    { HEAD, CL_TOKEN_ADD, "n", HEAD "    tokens:\n      - " ENTRY },
    { "version: 1\ntenants:\n  a:\n    policies:\n      - default", CL_TOKEN_ADD, "n",
      "version: 1\ntenants:\n  a:\n    policies:\n      - default\n    tokens:\n      "
      "- " ENTRY },
    { HEAD "    tokens: []\n", CL_TOKEN_ADD, "n", HEAD "    tokens:\n      - " ENTRY },
    { HEAD "    tokens: [{id: x, hash: " A "}]\n", CL_TOKEN_ADD, "n",
      HEAD "    tokens:\n      - {id: x, hash: " A "}\n      - " ENTRY },
    { HEAD "    tokens:\n      - id: x # c\n        hash: " A "\n      - {id: y, hash: " B
           "}\n",
      CL_TOKEN_REVOKE, "x", HEAD "    tokens:\n      - {id: y, hash: " B "}\n" },
    { HEAD "    tokens:\n      # kept\n      - {id: x, hash: " A "}\n    quota: {}\n",
      CL_TOKEN_REVOKE, "x", HEAD "    tokens: []\n      # kept\n    quota: {}\n" },
    { HEAD "    tokens: [{id: x, hash: " A "}, {id: y, hash: " B "}]\n", CL_TOKEN_REVOKE, "x",
      HEAD "    tokens:\n      - {id: y, hash: " B "}\n" },
    { HEAD "    tokens: [{id: x, hash: " A "}]\n", CL_TOKEN_REVOKE, "x",
      HEAD "    tokens: []\n" },
    { HEAD "    tokens: [{id: x, hash: " A ", scopes: [admin]}] # c\n", CL_TOKEN_ROTATE, "x",
      HEAD "    tokens: [{id: x, hash: " NEW ", scopes: [admin]}] # c\n" },
    { HEAD "    tokens:\n      - hash: b2:" ZEROS "aa\n        id: x\n", CL_TOKEN_ROTATE, "x",
      HEAD "    tokens:\n      - hash: " NEW "\n        id: x\n" },
    { "version: 1\ntenants: {a: {policies: [default], tokens: [{id: x, hash: " A "}]}}\n",
      CL_TOKEN_ROTATE, "x",
      "version: 1\ntenants: {a: {policies: [default], tokens: [{id: x, hash: " NEW "}]}}\n" },
};

static const struct {
    const char *before;
    enum cl_tokenedit what;
    const char *tenant, *id, *says;
} refusals[] = {
    { HEAD, CL_TOKEN_ADD, "z", "n", "there is no tenant z" },
    { HEAD, CL_TOKEN_ADD, "a", "N", "no name of a token" },
    { HEAD, CL_TOKEN_REVOKE, "a", "n", "has no token n" },
    { HEAD, CL_TOKEN_ROTATE, "a", "n", "has no token n" },
    { HEAD "    tokens: [{id: x, hash: " A "}]\n", CL_TOKEN_ADD, "a", "x", "has a token x" },
    { "version: 1\ntenants: {a: {policies: [default]}}\n", CL_TOKEN_ADD, "a", "n",
      "edit the file by hand" },
    { HEAD "    tokens: [{id: x,\n      hash: " A "}]\n", CL_TOKEN_ADD, "a", "n", "by hand" },
};

static int run(const char *before, const struct cl_tokenedit_ask *ask, struct cl_buf *out,
               struct cl_err *err)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_tenants *tenants = cl_tenants_read("t.yaml", before, strlen(before), &report);

    if (tenants->is_refused)
        fail_msg("%s\n%s", before, report.problems[0].text);
    const int done = cl_tokenedit_run(tenants, ask, out, err);
    cl_tenants_free(tenants);
    cl_report_fini(&report);
    return done;
}

static struct cl_tokenedit_ask ask_of(enum cl_tokenedit what, const char *tenant,
                                      const char *id)
{
    struct cl_tokenedit_ask ask = {
        .what = what,
        .tenant = tenant,
        .token = { .scopes = CL_SCOPE_CALL | CL_SCOPE_POLICIES_READ },
    };

    strncpy(ask.token.id, id, sizeof(ask.token.id) - 1);
    ask.token.hash[CL_TENANT_HASH - 1] = 0xcc;
    return ask;
}

static void what_is_asked_for_changes_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(edits); i++) {
        CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(65536);
        const struct cl_tokenedit_ask ask = ask_of(edits[i].what, "a", edits[i].id);
        struct cl_err err = CL_ERR_INIT;

        if (run(edits[i].before, &ask, &out, &err) < 0)
            fail_msg("%zu: %s", i, err.text);
        assert_works(cl_buf_put(&out, "", 1, &err), &err);
        assert_string_equal((const char *)out.bytes, edits[i].after);
    }
}

static void what_cannot_be_done_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refusals); i++) {
        CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(65536);
        const struct cl_tokenedit_ask ask =
            ask_of(refusals[i].what, refusals[i].tenant, refusals[i].id);
        struct cl_err err = CL_ERR_INIT;

        assert_fails(run(refusals[i].before, &ask, &out, &err), &err, CL_E_INPUT);
        if (!strstr(err.text, refusals[i].says))
            fail_msg("%zu: %s", i, err.text);
    }
}

static void a_tenant_has_sixty_four_tokens_and_no_more(void **state)
{
    char text[16384] = HEAD "    tokens:\n";
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(65536);
    const struct cl_tokenedit_ask ask = ask_of(CL_TOKEN_ADD, "a", "n");
    struct cl_err err = CL_ERR_INIT;
    size_t used = strlen(text);

    (void)state;
    for (int i = 0; i < CL_TENANT_TOKENS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "    - {id: t%d, hash: \"b2:" ZEROS "%02x\"}\n", i, i);
    assert_fails(run(text, &ask, &out, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "64 tokens"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_changes_and_nothing_else),
        cmocka_unit_test(what_cannot_be_done_is_said),
        cmocka_unit_test(a_tenant_has_sixty_four_tokens_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
