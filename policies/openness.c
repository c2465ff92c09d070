/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the rules that count under a policy about one system call.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the tables.
 */
#include "policies/openness.h"

#include <string.h>

#include "policies/filter.h"

static bool opens(const struct cl_rule *rule, const char *name)
{
    return rule->answer == CL_ANSWER_ALLOW && strcmp(rule->name, name) == 0;
}

static bool has_rule(const struct cl_spec *spec, const struct cl_rule *wanted)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        if (rule == wanted)
            return true;
    }
    return false;
}

enum cl_openness cl_openness_of(const struct cl_spec *spec, const char *name)
{
    enum cl_openness best = CL_OPEN_NOT;

    if (cl_items_find(&spec->allow, name))
        return CL_OPEN_ANY;
    for (const struct cl_rule *rule = cl_openness_next(spec, NULL, name, NULL); rule;
         rule = cl_openness_next(spec, NULL, name, rule))
        best = best == CL_OPEN_ANY || rule->tests[0].op == CL_TEST_END ? CL_OPEN_ANY
                                                                       : CL_OPEN_SOME;
    return best;
}

const struct cl_rule *cl_openness_next(const struct cl_spec *spec, const struct cl_spec *other,
                                       const char *name, const struct cl_rule *previous)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, previous); rule;
         rule = cl_filter_next(spec, rule)) {
        if (opens(rule, name) && !(other && has_rule(other, rule)))
            return rule;
    }
    return NULL;
}
