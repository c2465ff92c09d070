/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document of all routes.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/json/scan.h"
#include "api/openapi/openapi.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

static struct cl_err err;

static void every_route_has_one_operation_and_every_operation_a_route(void **state)
{
    (void)state;
    assert_int_equal(cl_operations_count, cl_routes_count);
    for (size_t i = 0; i < cl_routes_count; i++) {
        const struct cl_operation *operation = cl_operation_of(&cl_routes[i]);

        if (!operation)
            fail_msg("%s %s is not described", cl_routes[i].method, cl_routes[i].path);
        assert_int_equal(operation->param != NULL, strstr(cl_routes[i].path, "{}") != NULL);
        assert_true(operation->id[0] && operation->summary[0] && operation->answers[0]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(operation, cl_operation_of(&cl_routes[j]));
    }
}

static void the_document_is_json(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
    const struct cl_json_caps caps = CL_JSON_CAPS(1 << 20);
    size_t at = 0;

    (void)state;
    assert_works(cl_openapi_format(&out, &err), &err);
    assert_works(cl_json_check((const char *)out.bytes, out.length, &caps, NULL, &at, &err),
                 &err);
}

static void a_buffer_too_small_is_an_error(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 60000; limit += 997) {
        struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(limit);

        assert_fails(cl_openapi_format(&out, &err), &err, CL_E_LIMIT);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_one_operation_and_every_operation_a_route),
        cmocka_unit_test(the_document_is_json),
        cmocka_unit_test(a_buffer_too_small_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
