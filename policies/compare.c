/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb diff.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include <stdio.h>
#include <string.h>

#include "policies/diff.h"
#include "policies/verbs.h"
#include "sandbox/base/own.h"

static bool is_taken(struct cl_set *set, const char *arg)
{
    const char *slash = strrchr(arg, '/');
    const char *file = slash ? slash + 1 : arg;
    char name[CL_NAME_MAX];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), file);
    return cl_set_find(set, name) != NULL;
}

/* Two policies of one name are what is compared most, so each has a set of its own; in it the
 * others only stand by to be extended. NULL: refused, and said why. */
static const struct cl_spec *open_one(struct cl_set *set, const char *arg, int others,
                                      char *const *other)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_set_entry *entry = cl_verb_input(set, arg, &report);

    for (int i = 0; entry && i < others; i++) {
        if (!is_taken(set, other[i]))
            cl_verb_input(set, other[i], &report);
    }
    const struct cl_spec *spec = entry ? cl_set_resolve(set, entry, &report) : NULL;
    if (!spec) {
        cl_report_sort(&report);
        cl_report_print(&report, stderr);
    }
    cl_report_fini(&report);
    return spec;
}

static int print_changes(const struct cl_spec *a, const struct cl_spec *b)
{
    struct cl_changes changes = { NULL, 0 };
    int status = CL_VERB_OK;

    cl_diff_run(a, b, &changes);
    if (changes.count > 0) {
        printf("# %s, compared with %s\n", b->doc->path, a->doc->path);
        cl_changes_print(&changes, stdout);
        status = CL_VERB_FAILED;
    }
    cl_changes_fini(&changes);
    return status;
}

/* A B and, behind them, what they extend. B may extend A. */
int cl_verb_diff(int count, char **args)
{
    int status = CL_VERB_REFUSED;

    if (count < 2)
        return CL_VERB_USAGE;
    struct cl_set *set_a = cl_set_new(), *set_b = cl_set_new();
    char *b_arg = args[1];
    const struct cl_spec *a = open_one(set_a, args[0], count - 2, args + 2);
    args[1] = args[0];
    const struct cl_spec *b = a ? open_one(set_b, b_arg, count - 1, args + 1) : NULL;
    args[1] = b_arg;
    if (b)
        status = print_changes(a, b);
    cl_set_free(set_a);
    cl_set_free(set_b);
    return status;
}
