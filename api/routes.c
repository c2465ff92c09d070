/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table: every path of the service, who may use it, what it takes, who serves it.
 * Runs in: cloche-api.
 * Trusts: -
 */
#include "api/visit.h"
#include "sandbox/base/own.h"

const struct cl_route cl_routes[] = {
    { "POST", "/v1/calls", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_JSON, cl_calls_check,
      cl_calls_run },
    { "GET", "/v1/calls", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, cl_async_check,
      cl_async_list },
    { "GET", "/v1/calls/{}", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, cl_async_check,
      cl_async_get },
    { "DELETE", "/v1/calls/{}", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, cl_async_check,
      cl_async_delete },
    { "GET", "/v1/calls/{}/events", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE,
      cl_async_check, cl_async_events },
    { "POST", "/v1/eval", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_JSON, cl_calls_check,
      cl_calls_eval },
    { "POST", "/v1/sessions", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_JSON | CL_TAKES_NOTHING,
      NULL, cl_sessions_open },
    { "GET", "/v1/sessions", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, NULL,
      cl_sessions_list },
    { "GET", "/v1/sessions/{}", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, NULL,
      cl_sessions_get },
    { "DELETE", "/v1/sessions/{}", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, NULL,
      cl_sessions_end },
    { "POST", "/v1/rpc", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_JSON, NULL, cl_pythonv1_run },
    { "GET", "/v1/modules", CL_ROUTE_TOKEN, CL_SCOPE_MODULES, CL_TAKES_NONE, NULL,
      cl_modules_list },
    { "POST", "/v1/modules:push", CL_ROUTE_TOKEN, CL_SCOPE_MODULES, CL_TAKES_JSON, NULL,
      cl_modules_push },
    { "GET", "/v1/modules/{}", CL_ROUTE_TOKEN, CL_SCOPE_MODULES, CL_TAKES_NONE, NULL,
      cl_modules_get },
    { "PUT", "/v1/modules/{}", CL_ROUTE_TOKEN, CL_SCOPE_MODULES,
      CL_TAKES_JSON | CL_TAKES_PYTHON, NULL, cl_modules_put },
    { "DELETE", "/v1/modules/{}", CL_ROUTE_TOKEN, CL_SCOPE_MODULES, CL_TAKES_NONE, NULL,
      cl_modules_delete },
    { "GET", "/v1/functions", CL_ROUTE_TOKEN, CL_SCOPE_CALL, CL_TAKES_NONE, NULL,
      cl_functions_list },
    { "POST", "/v1/functions/{}/calls", CL_ROUTE_TOKEN, CL_SCOPE_CALL,
      CL_TAKES_JSON | CL_TAKES_NOTHING, cl_calls_check, cl_functions_call },
    { "GET", "/v1/policies", CL_ROUTE_TOKEN, CL_SCOPE_POLICIES_READ, CL_TAKES_NONE, NULL,
      cl_policies_list },
    { "GET", "/v1/policies/{}", CL_ROUTE_TOKEN, CL_SCOPE_POLICIES_READ, CL_TAKES_NONE, NULL,
      cl_policies_get },
    { "GET", "/healthz", CL_ROUTE_OPEN, 0, CL_TAKES_NONE, NULL, cl_health_alive },
    { "GET", "/readyz", CL_ROUTE_OPEN, 0, CL_TAKES_NONE, NULL, cl_health_ready },
    { "GET", "/metrics", CL_ROUTE_TOKEN, CL_SCOPE_ADMIN, CL_TAKES_NONE, NULL,
      cl_health_metrics },
};

const size_t cl_routes_count = CL_COUNT(cl_routes);
