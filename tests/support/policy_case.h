/* SPDX-License-Identifier: Apache-2.0 */
/* A policy text in a set, its problems as text, and its effective values. */
#ifndef CL_TESTS_POLICY_CASE_H
#define CL_TESTS_POLICY_CASE_H

#include "tests/support/unit.h"

#include "policies/report.h"
#include "policies/set.h"

struct policy_case {
    struct cl_set *set;
    struct cl_report report;
    const struct cl_spec *spec; /* of what was resolved last; NULL when refused */
    char first[1200];           /* the first problem, formatted; "" when there is none */
};

static inline void policy_case_init(struct policy_case *made)
{
    *made = (struct policy_case){ .set = cl_set_new(), .report = CL_REPORT_INIT };
}

static inline void policy_case_fini(struct policy_case *made)
{
    cl_set_free(made->set);
    cl_report_fini(&made->report);
}

static inline void policy_case_add(struct policy_case *made, const char *name, const char *text)
{
    char path[100];

    snprintf(path, sizeof(path), "%s.yaml", name);
    cl_set_add(made->set, name, path, text, strlen(text), &made->report);
}

/* Resolves a policy that was added. */
static inline void policy_case_resolve(struct policy_case *made, const char *name)
{
    struct cl_set_entry *entry = cl_set_find(made->set, name);

    made->spec = entry ? cl_set_resolve(made->set, entry, &made->report) : NULL;
    made->first[0] = '\0';
    if (made->report.count > 0)
        cl_report_format(&made->report.problems[0], made->first, sizeof(made->first));
}

/* One text on its own, called p. */
static inline void policy_case_open(struct policy_case *made, const char *text)
{
    policy_case_init(made);
    policy_case_add(made, "p", text);
    policy_case_resolve(made, "p");
}

#endif
