/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods and paths to rows.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/route.h"
#include "sandbox/base/own.h"

static const struct cl_route table[] = {
    { "POST", "/v1/calls", CL_ROUTE_TOKEN, true, NULL, NULL },
    { "GET", "/v1/calls", CL_ROUTE_TOKEN, false, NULL, NULL },
    { "GET", "/v1/policies/{}", CL_ROUTE_TOKEN, false, NULL, NULL },
    { "GET", "/v1/calls/{}/events", CL_ROUTE_TOKEN, false, NULL, NULL },
};

static const struct cl_route *find(const char *method, const char *path, char *param,
                                   struct cl_refusal *refusal)
{
    *refusal = (struct cl_refusal)CL_REFUSAL_INIT;
    return cl_route_find(table, CL_COUNT(table), method, path, param, refusal);
}

static void method_and_path_pick_a_row(void **state)
{
    struct cl_refusal refusal;
    char param[CL_ROUTE_PARAM_MAX];

    (void)state;
    assert_ptr_equal(find("POST", "/v1/calls", param, &refusal), &table[0]);
    assert_ptr_equal(find("GET", "/v1/calls", param, &refusal), &table[1]);
    assert_ptr_equal(find("HEAD", "/v1/calls", param, &refusal), &table[1]);
}

static void one_component_may_be_open(void **state)
{
    struct cl_refusal refusal;
    char param[CL_ROUTE_PARAM_MAX];

    (void)state;
    assert_ptr_equal(find("GET", "/v1/policies/default", param, &refusal), &table[2]);
    assert_string_equal(param, "default");
    assert_ptr_equal(find("GET", "/v1/calls/01J/events", param, &refusal), &table[3]);
    assert_string_equal(param, "01J");
}

static void unknown_paths_are_404(void **state)
{
    static const char *const paths[] = {
        "/",
        "",
        "/v1/call",
        "/v1/calls/",
        "/v1/policies/",
        "/v1/policies/a/b",
        "/v1/calls//events",
        "/V1/calls",
        "/v1/calls/x/event",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(paths); i++) {
        struct cl_refusal refusal;
        char param[CL_ROUTE_PARAM_MAX];

        assert_null(find("GET", paths[i], param, &refusal));
        assert_int_equal(refusal.kind, CL_R_NOT_FOUND);
    }
}

static void a_component_that_is_too_long_is_404(void **state)
{
    struct cl_refusal refusal;
    char param[CL_ROUTE_PARAM_MAX];
    char path[256] = "/v1/policies/";

    (void)state;
    memset(path + strlen(path), 'x', CL_ROUTE_PARAM_MAX - 1);
    assert_ptr_equal(find("GET", path, param, &refusal), &table[2]);
    path[strlen(path)] = 'x';
    assert_null(find("GET", path, param, &refusal));
}

static void wrong_methods_are_405_with_allow(void **state)
{
    struct cl_refusal refusal;
    char param[CL_ROUTE_PARAM_MAX];

    (void)state;
    assert_null(find("PUT", "/v1/calls", param, &refusal));
    assert_int_equal(refusal.kind, CL_R_METHOD_NOT_ALLOWED);
    assert_string_equal(refusal.allow, "POST, GET, HEAD");
    assert_null(find("get", "/v1/policies/x", param, &refusal));
    assert_string_equal(refusal.allow, "GET, HEAD");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_and_path_pick_a_row),
        cmocka_unit_test(one_component_may_be_open),
        cmocka_unit_test(unknown_paths_are_404),
        cmocka_unit_test(a_component_that_is_too_long_is_404),
        cmocka_unit_test(wrong_methods_are_405_with_allow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
