/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that a python/v1 caller may call, in their order: built-ins, files, registrations.
 * Runs in: cloche-api.
 * Trusts: the index of modules and the names of registrations, which were checked.
 */
#include <string.h>

#include "api/pythonv1/call.h"
#include "sandbox/base/own.h"

struct list {
    const struct cl_v1_call *call;
    struct cl_buf text; /* the names as JSON, with commas between */
    uint32_t count;
    struct cl_err err;
};

static bool wants(const struct list *list, enum cl_v1_source source)
{
    return list->call->plan.source == CL_V1_ALL || list->call->plan.source == source;
}

static int put_comma(struct list *list)
{
    return list->text.length ? cl_buf_put_text(&list->text, ",", &list->err) : 0;
}

static int put_builtins(struct list *list)
{
    for (const char *const *name = cl_v1_builtins; *name; name++) {
        if (put_comma(list) < 0 || cl_buf_format(&list->text, &list->err, "\"%s\"", *name) < 0)
            return -1;
        list->count++;
    }
    return 0;
}

/* One that took the place of a built-in or of a function of a file was said in that place. */
static bool is_said(const struct list *list, struct cl_json name)
{
    char text[CL_V1_NAME_MAX + 1];

    return list->call->plan.source == CL_V1_ALL && cl_v1_plain(name, text, sizeof(text)) &&
           (cl_v1_is_builtin(text) || cl_v1_files_serve(list->call, text));
}

static int put_registered(struct list *list, struct cl_json names)
{
    struct cl_json key, name;
    size_t cursor = 0;

    while (cl_json_next(names, &cursor, &key, &name)) {
        if (is_said(list, name))
            continue;
        if (put_comma(list) < 0 ||
            cl_buf_put(&list->text, name.text, name.length, &list->err) < 0)
            return -1;
        list->count++;
    }
    return 0;
}

static int put_all(struct list *list, const struct cl_v1_names *names)
{
    struct cl_buf CL_AUTO(cl_buf_fini) array = CL_BUF_INIT(names->list.length + 2);

    if (cl_buf_put_text(&array, "[", &list->err) < 0 ||
        (names->list.length &&
         cl_buf_put(&array, names->list.text, names->list.length, &list->err) < 0) ||
        cl_buf_put_text(&array, "]", &list->err) < 0)
        return -1;
    if (wants(list, CL_V1_BUILTIN) && put_builtins(list) < 0)
        return -1;
    if (wants(list, CL_V1_FILE) &&
        cl_v1_files_list(list->call, &list->text, &list->count, &list->err) < 0)
        return -1;
    return wants(list, CL_V1_REGISTERED)
               ? put_registered(list, (struct cl_json){ (char *)array.bytes, array.length })
               : 0;
}

static int put_answer(const struct list *list, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_put_text(out, "{\"functions\":[", err) < 0 ||
        (list->text.length && cl_buf_put(out, list->text.bytes, list->text.length, err) < 0))
        return -1;
    return cl_buf_format(out, err, "],\"count\":%u}", list->count);
}

void cl_v1_list_named(struct cl_v1_call *call, const struct cl_v1_names *names)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(CL_V1_ANSWER_MAX);
    struct list list = { .call = call, .text = CL_BUF_INIT(CL_V1_ANSWER_MAX / 2) };
    struct cl_v1_fault fault = { 0 };

    if (put_all(&list, names) == 0 && put_answer(&list, &out, &list.err) == 0) {
        cl_v1_call_result(call, &out);
    } else {
        cl_v1_fail(&fault, CL_V1_TASK_RESULT, "The list is too long");
        cl_v1_call_fail(call, &fault);
    }
    cl_buf_fini(&list.text);
}
