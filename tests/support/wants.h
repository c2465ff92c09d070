/* SPDX-License-Identifier: Apache-2.0 */
/* What a call run through a zygote_case must end as. Each fails the test with all it saw. */
#ifndef CL_TESTS_WANTS_H
#define CL_TESTS_WANTS_H

#include "tests/support/unit.h"

#include "tests/support/zygote_case.h"

/* The zygote that the calls below use; opened and closed by a group's setup and teardown. */
extern struct case_zygote wants_zygote;

int wants_open(const struct case_policy *policy); /* 0, for a setup function */
int wants_close(void **state);

/* Source alone. */
void wants_result(const char *source, const char *json);
void wants_error(const char *source, const char *type, const char *message_part);
void wants_denied(const char *source, const char *rule, const char *name);
void wants_limit(const char *source, enum cl_limit limit, uint64_t value);

/* "def main(): return <expression>" after some imports that the default policy allows. */
void wants_value(const char *expression, const char *json);
void wants_bad_value(const char *expression, const char *message);

/* The whole of a call; the caller frees `end`. */
void wants_call(const struct case_call *call, uint32_t final, struct case_end *end);

#define CASE_DEFAULT_MODULES                                                                   \
    "math statistics json re datetime collections itertools functools operator urllib.parse "  \
    "hashlib base64 uuid abc asyncio bisect contextlib copy dataclasses decimal enum "         \
    "fractions heapq logging numbers random string textwrap time types typing zoneinfo"
#define CASE_DEFAULT                                                                           \
    {                                                                                          \
        .name = "default", .modules = CASE_DEFAULT_MODULES, .preload = "json re datetime",     \
        .builtins_removed = "open input breakpoint",                                           \
    }

#endif
