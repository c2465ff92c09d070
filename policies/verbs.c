/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small verbs: compile, list.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include "policies/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policies/embedded.h"
#include "policies/input.h"
#include "policies/pack.h"
#include "policies/policy.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

static struct cl_set_entry *refuse_name(const char *name, struct cl_report *report)
{
    fprintf(stderr,
            "%.120s: neither the file of a policy, <name>.yaml, nor one that is built in:",
            *name ? name : "\"\"");
    for (const struct cl_embedded *row = cl_embedded; row->name; row++)
        fprintf(stderr, " %s", row->name);
    fputc('\n', stderr);
    report->errors++;
    return NULL;
}

struct cl_set_entry *cl_verb_input(struct cl_set *set, const char *arg,
                                   struct cl_report *report)
{
    struct cl_err err = CL_ERR_INIT;
    size_t count = set->count;
    bool is_name = !strchr(arg, '/') && !strchr(arg, '.');

    if (is_name && !cl_embedded_find(arg))
        return refuse_name(arg, report);
    if (is_name)
        return cl_set_add_embedded(set, arg, report) < 0 ? NULL : cl_set_find(set, arg);
    if (cl_input_path(set, arg, report, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        report->errors++;
        return NULL;
    }
    return set->count > count ? &set->entries[count] : NULL;
}

static int write_file(const char *path, const struct cl_buf *buf, struct cl_err *err)
{
    cl_close_auto int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (file < 0)
        return cl_fail(err, CL_E_SYS, "%.120s", path);
    if (cl_file_write_all(file, buf->bytes, buf->length, err) < 0)
        return cl_err_context(err, "%.120s", path);
    return 0;
}

static int compile_to(const struct cl_spec *spec, const char *path)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (cl_pack_make(spec, &buf, &err) < 0 || write_file(path, &buf, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return CL_VERB_FAILED;
    }
    return CL_VERB_OK;
}

/* The first input is compiled, the others are there to be extended. */
int cl_verb_compile(int count, char **args)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_set_entry *entry = NULL;
    const struct cl_spec *spec = NULL;

    if (count < 3 || strcmp(args[count - 2], "-o") != 0)
        return CL_VERB_USAGE;
    struct cl_set *set = cl_set_new();
    for (int i = 0; i < count - 2; i++) {
        struct cl_set_entry *added = cl_verb_input(set, args[i], &report);
        entry = i == 0 ? added : entry;
    }
    if (entry)
        spec = cl_set_resolve(set, entry, &report);

    cl_report_sort(&report);
    cl_report_print(&report, stderr);
    int status = spec ? compile_to(spec, args[count - 1]) : CL_VERB_REFUSED;
    cl_report_fini(&report);
    cl_set_free(set);
    return status;
}

int cl_verb_list(int count, char **args)
{
    (void)args;
    if (count != 0)
        return CL_VERB_USAGE;
    for (const struct cl_embedded *row = cl_embedded; row->name; row++)
        puts(row->name);
    return CL_VERB_OK;
}
