/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods and paths to rows.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/visit.h"
#include "sandbox/base/own.h"

static const struct cl_route table[] = {
    { "POST", "/v1/calls", CL_ROUTE_TOKEN, 0, CL_TAKES_JSON, NULL, NULL },
    { "GET", "/v1/calls", CL_ROUTE_TOKEN, 0, CL_TAKES_NONE, NULL, NULL },
    { "GET", "/v1/policies/{}", CL_ROUTE_TOKEN, 0, CL_TAKES_NONE, NULL, NULL },
    { "GET", "/v1/calls/{}/events", CL_ROUTE_TOKEN, 0, CL_TAKES_NONE, NULL, NULL },
    { "GET", "/v1/workflows/{}", CL_ROUTE_TOKEN, 0, CL_TAKES_NONE, NULL, NULL },
    { "POST", "/v1/workflows/{}:cancel", CL_ROUTE_TOKEN, 0, CL_TAKES_NONE, NULL, NULL },
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

static void a_component_may_have_a_fixed_end(void **state)
{
    struct cl_refusal refusal;
    char param[CL_ROUTE_PARAM_MAX];

    (void)state;
    assert_ptr_equal(find("POST", "/v1/workflows/nightly:cancel", param, &refusal), &table[5]);
    assert_string_equal(param, "nightly");
    assert_ptr_equal(find("POST", "/v1/workflows/a:cancel:cancel", param, &refusal), &table[5]);
    assert_string_equal(param, "a:cancel");
    assert_null(find("POST", "/v1/workflows/:cancel", param, &refusal));
    assert_int_equal(refusal.kind, CL_R_METHOD_NOT_ALLOWED);
    assert_null(find("POST", "/v1/workflows/a/b:cancel", param, &refusal));
    assert_int_equal(refusal.kind, CL_R_NOT_FOUND);
}

static void types_are_told_by_name_without_parameters(void **state)
{
    const uint32_t both = CL_TAKES_JSON | CL_TAKES_YAML | CL_TAKES_NOTHING;
    char text[64];

    (void)state;
    assert_int_equal(cl_route_type(both, "application/json"), CL_TAKES_JSON);
    assert_int_equal(cl_route_type(both, "Text/YAML; charset=utf-8"), CL_TAKES_YAML);
    assert_int_equal(cl_route_type(both, "application/x-yaml\t"), CL_TAKES_YAML);
    assert_int_equal(cl_route_type(both, "text/x-python"), CL_TAKES_NONE);
    assert_int_equal(cl_route_type(CL_TAKES_PYTHON, "text/x-python"), CL_TAKES_PYTHON);
    assert_int_equal(cl_route_type(both, "application/jsonp"), CL_TAKES_NONE);
    assert_int_equal(cl_route_type(both, ""), CL_TAKES_NONE);
    assert_int_equal(cl_route_type(both, NULL), CL_TAKES_NONE);
    cl_route_put_types(both, text, sizeof(text));
    assert_string_equal(text, "application/json or application/yaml");
}

static void every_row_of_the_service_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < cl_routes_count; i++) {
        const struct cl_route *row = &cl_routes[i];
        const char *hole = strstr(row->path, "{}");

        assert_non_null(row->run);
        assert_true(row->path[0] == '/' && (!hole || !strstr(hole + 2, "{}")));
        /* only what the probes of an orchestrator ask for is open */
        assert_true(row->auth == CL_ROUTE_TOKEN || strstr(row->path, "z") != NULL);
        assert_true(row->auth == CL_ROUTE_TOKEN || row->scope == 0);
        assert_true(strcmp(row->method, "GET") != 0 || row->takes == CL_TAKES_NONE);
        assert_int_not_equal(row->takes, CL_TAKES_NOTHING);
        for (size_t j = 0; j < i; j++)
            assert_false(strcmp(cl_routes[j].method, row->method) == 0 &&
                         strcmp(cl_routes[j].path, row->path) == 0);
    }
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
    char path[CL_ROUTE_PARAM_MAX + 32] = "/v1/policies/";

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
    assert_non_null(find("GET", "/v1/calls", param, &refusal)); /* behind the row of POST */
    assert_string_equal(refusal.allow, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_and_path_pick_a_row),
        cmocka_unit_test(one_component_may_be_open),
        cmocka_unit_test(a_component_may_have_a_fixed_end),
        cmocka_unit_test(types_are_told_by_name_without_parameters),
        cmocka_unit_test(every_row_of_the_service_is_sound),
        cmocka_unit_test(unknown_paths_are_404),
        cmocka_unit_test(a_component_that_is_too_long_is_404),
        cmocka_unit_test(wrong_methods_are_405_with_allow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
