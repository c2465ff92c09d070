/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche version`: this client's version and what it is linked with.
 * Runs in: cloche.
 * Trusts: nothing but itself.
 */
#include <curl/curl.h>
#include <json-c/json.h>
#include <stdio.h>

#include "api/cli/verb.h"
#include "sandbox/base/own.h"
#include "sandbox/base/version.h"

#ifdef CL_NO_GUARD /* runtime/guard.h */
#define BUILD " without the Python guard, for measuring only"
#else
#define BUILD ""
#endif

static const struct cl_option options[] = { CL_OPTION_OUTPUT };

static int run(const struct cl_args *args)
{
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (as_json < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    printf(as_json ? "{\"version\":\"%s\",\"json_c\":\"%s\",\"curl\":\"%s\"}\n"
                   : "cloche %s (json-c %s, curl %s)\n",
           CL_VERSION BUILD, json_c_version(), curl_version_info(CURLVERSION_NOW)->version);
    return CL_EXIT_OK;
}

const struct cl_verb cl_verb_version = {
    .name = "version",
    .operands = "",
    .summary = "Print the version.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
};
