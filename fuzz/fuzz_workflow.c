/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflow documents, YAML and JSON. Whatever is planned writes a document that is JSON, plans
 * again to itself, and whose tasks wait for tasks that exist; whatever is not has problems that
 * are JSON, too.
 * Runs in: tests only.
 * Trusts: nothing; the first byte picks the reader.
 */
#include <string.h>

#include "api/workflow/document.h"
#include "api/workflow/plan.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static uint32_t count_up(void *self)
{
    return ++*(uint32_t *)self;
}

static int list_files(void *self, const char *folder,
                      void (*each)(void *user, const char *name), void *user)
{
    (void)self;
    (void)folder;
    each(user, "a.py");
    each(user, "b.py");
    return 0;
}

static void check_json(const struct cl_buf *text)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(64 << 20);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_json_check((const char *)text->bytes, text->length, &caps, NULL, NULL, &err) ==
             0);
}

static void check_graph(const struct cl_plan *plan)
{
    size_t needs = 0, next = 0;

    for (size_t i = 0; i < plan->count; i++) {
        const struct cl_plan_task *task = &plan->tasks[i];
        needs += task->need_count;
        next += task->next_count;
        for (size_t k = 0; k < task->need_count; k++)
            CL_CHECK(task->needs[k] < plan->count && task->needs[k] != i);
        for (size_t k = 0; k < task->next_count; k++)
            CL_CHECK(task->next[k] < plan->count && task->next[k] != i);
        CL_CHECK(cl_json_kind(cl_plan_params(plan, i)) == CL_JSON_OBJECT);
    }
    CL_CHECK(needs == next);
}

static void check_again(const struct cl_plan *plan, const struct cl_plan_env *env)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_plan CL_AUTO(cl_plan_fini) again = { 0 };
    struct cl_err err = CL_ERR_INIT;

    if (cl_document_parse_json(&tree, (const char *)plan->document.bytes, plan->document.length,
                               &err) < 0) {
        CL_CHECK(err.kind == CL_E_LIMIT); /* escapes may make it longer */
        return;
    }
    CL_CHECK(cl_plan_init(&again, tree.root, env) == 0);
    CL_CHECK(again.document.length == plan->document.length &&
             memcmp(again.document.bytes, plan->document.bytes, again.document.length) == 0);
}

static void check_problems(const struct cl_plan *plan)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(4 << 20);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(plan->problems.count > 0);
    CL_CHECK(cl_plan_format_error(&plan->problems, &out, &err) == 0);
    check_json(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_plan CL_AUTO(cl_plan_fini) plan = { 0 };
    struct cl_err err = CL_ERR_INIT;
    uint32_t counter = 0;
    const struct cl_plan_env env = { count_up, list_files, &counter };

    if (length == 0)
        return 0;
    if ((bytes[0] == '{' ? cl_document_parse_json : cl_document_parse_yaml)(
            &tree, (const char *)bytes, length, &err) < 0) {
        CL_CHECK(err.kind == CL_E_INPUT || err.kind == CL_E_LIMIT);
        CL_CHECK(strncmp(err.text, "line ", 5) == 0 || bytes[0] == '{');
        return 0;
    }
    CL_CHECK(tree.nodes <= CL_DOCUMENT_NODES_MAX);
    if (cl_plan_init(&plan, tree.root, &env) < 0) {
        check_problems(&plan);
        return 0;
    }
    check_json(&plan.document);
    check_graph(&plan);
    check_again(&plan, &env);
    return 0;
}
