/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of tests/golden/workflows: each NAME.yaml or NAME.json becomes NAME.txt, a plan or
 * all of its problems. And a plan's document, planned again, is the same plan.
 * Runs in: the unit tests. CLOCHE_GOLDEN=write writes the texts anew.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "api/workflow/document.h"
#include "api/workflow/plan.h"
#include "sandbox/base/own.h"

#define GOLDEN "tests/golden/workflows/"

static uint32_t count_up(void *self)
{
    return ++*(uint32_t *)self;
}

static int list_files(void *self, const char *folder,
                      void (*each)(void *user, const char *name), void *user)
{
    (void)self;
    if (strcmp(folder, ".") != 0 && strcmp(folder, "in/") != 0)
        return -1;
    each(user, "b.py");
    each(user, "a.b.py");
    each(user, "notes.txt");
    return 0;
}

static void read_file(const char *path, struct cl_buf *out)
{
    FILE *file = fopen(path, "r");
    struct cl_err err = CL_ERR_INIT;
    char part[4096];
    size_t length;

    if (!file)
        fail_msg("%s is missing", path);
    while ((length = fread(part, 1, sizeof(part), file)) > 0)
        assert_works(cl_buf_put(out, part, length, &err), &err);
    fclose(file);
}

static void show_problems(struct cl_buf *out, const struct cl_problems *problems)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_plan_format_error(problems, out, &err), &err);
    assert_works(cl_buf_put_text(out, "\n", &err), &err);
}

/* The document, a line a task with who waits for it, warnings. */
static void show_plan(struct cl_buf *out, const struct cl_plan *plan)
{
    struct cl_err err = CL_ERR_INIT;

    cl_buf_put(out, plan->document.bytes, plan->document.length, &err);
    cl_buf_put_text(out, "\n", &err);
    for (size_t i = 0; i < plan->count; i++) {
        const struct cl_plan_task *task = &plan->tasks[i];
        const struct cl_json params = cl_plan_params(plan, i);

        cl_buf_format(out, &err, "%s %s %.*s ->", task->id,
                      cl_plan_priority_name(task->priority), (int)params.length, params.text);
        for (size_t k = 0; k < task->next_count; k++)
            cl_buf_format(out, &err, " %s", plan->tasks[task->next[k]].id);
        cl_buf_put_text(out, "\n", &err);
    }
    if (plan->warnings.count)
        cl_buf_format(out, &err, "warnings: [%.*s]\n", (int)plan->warnings.list.length,
                      (char *)plan->warnings.list.bytes);
}

static void assert_same_again(const struct cl_plan *plan, const struct cl_plan_env *env)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_plan CL_AUTO(cl_plan_fini) again;
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_document_parse_json(&tree, (char *)plan->document.bytes,
                                        plan->document.length, &err),
                 &err);
    assert_int_equal(cl_plan_init(&again, tree.root, env), 0);
    assert_int_equal(again.document.length, plan->document.length);
    assert_memory_equal(again.document.bytes, plan->document.bytes, plan->document.length);
    assert_int_equal(again.warnings.count, 0);
}

static void make(const char *path, struct cl_buf *out)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 24);
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_plan CL_AUTO(cl_plan_fini) plan = { 0 };
    struct cl_err err = CL_ERR_INIT;
    uint32_t counter = 0;
    const struct cl_plan_env env = { count_up, list_files, &counter };
    const bool is_json = strstr(path, ".json") != NULL;

    read_file(path, &text);
    if ((is_json ? cl_document_parse_json : cl_document_parse_yaml)(&tree, (char *)text.bytes,
                                                                    text.length, &err) < 0) {
        cl_problems_init(&plan.problems);
        cl_problems_init(&plan.warnings);
        cl_problems_add(&plan.problems, "%s", err.text);
        show_problems(out, &plan.problems);
        return;
    }
    if (cl_plan_init(&plan, tree.root, &env) < 0) {
        show_problems(out, &plan.problems);
        return;
    }
    show_plan(out, &plan);
    /* Warnings were about what the document says normally now. */
    if (!strstr(path, "program"))
        assert_same_again(&plan, &env);
}

static void compare(const char *path)
{
    struct cl_buf CL_AUTO(cl_buf_fini) made = CL_BUF_INIT(1 << 24);
    struct cl_buf CL_AUTO(cl_buf_fini) wanted = CL_BUF_INIT(1 << 24);
    struct cl_err err = CL_ERR_INIT;
    char golden[512];

    make(path, &made);
    snprintf(golden, sizeof(golden), "%.*s.txt", (int)(strrchr(path, '.') - path), path);
    if (getenv("CLOCHE_GOLDEN") && strcmp(getenv("CLOCHE_GOLDEN"), "write") == 0) {
        FILE *file = fopen(golden, "w");
        assert_non_null(file);
        fwrite(made.bytes, 1, made.length, file);
        fclose(file);
    }
    read_file(golden, &wanted);
    assert_works(cl_buf_put(&made, "", 1, &err), &err);
    assert_works(cl_buf_put(&wanted, "", 1, &err), &err);
    if (strcmp((char *)made.bytes, (char *)wanted.bytes) != 0)
        fail_msg("%s gives\n%s\nnot\n%s", path, (char *)made.bytes, (char *)wanted.bytes);
}

static void documents_become_plans_or_problems(void **state)
{
    glob_t found = { 0 };

    (void)state;
    assert_int_equal(glob(GOLDEN "*.yaml", 0, NULL, &found), 0);
    assert_int_equal(glob(GOLDEN "*.json", GLOB_APPEND, NULL, &found), 0);
    assert_true(found.gl_pathc > 10);
    for (size_t i = 0; i < found.gl_pathc; i++)
        compare(found.gl_pathv[i]);
    globfree(&found);
}

/* -------------------------------------------------------------------------------- large ones */

static int plan_text(const char *text, size_t length, struct cl_plan *plan)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_err err = CL_ERR_INIT;
    uint32_t counter = 0;
    const struct cl_plan_env env = { count_up, NULL, &counter };

    assert_works(cl_document_parse_json(&tree, text, length, &err), &err);
    return cl_plan_init(plan, tree.root, &env);
}

/* A chain in which every task also refers to the first: ancestors for every pair. */
static void a_long_chain_is_planned(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 24);
    struct cl_plan CL_AUTO(cl_plan_fini) plan;
    struct cl_err err = CL_ERR_INIT;
    enum { COUNT = 5000 };

    (void)state;
    cl_buf_put_text(&text, "{\"tasks\":[{\"id\":\"t0\",\"method\":\"list\"}", &err);
    for (int i = 1; i < COUNT; i++)
        assert_works(cl_buf_format(&text, &err,
                                   ",{\"id\":\"t%d\",\"method\":\"list\",\"dependencies\":"
                                   "[\"t%d\"],\"params\":{\"x\":\"${t0.result}\"}}",
                                   i, i - 1),
                     &err);
    cl_buf_put_text(&text, "]}", &err);
    assert_int_equal(plan_text((char *)text.bytes, text.length, &plan), 0);
    assert_int_equal(plan.count, COUNT);
    assert_int_equal(plan.tasks[0].next_count, 1);
    assert_int_equal(plan.tasks[COUNT - 1].need_count, 1);
}

static void more_problems_than_fit_are_counted(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 24);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 24);
    struct cl_plan CL_AUTO(cl_plan_fini) plan;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_buf_put_text(&text, "{\"tasks\":[{\"method\":\"list\"}", &err);
    for (int i = 0; i < 5000; i++)
        cl_buf_format(&text, &err, ",{\"id\":\"t%d\",\"method\":\"nope\"}", i);
    cl_buf_put_text(&text, "]}", &err);
    assert_int_equal(plan_text((char *)text.bytes, text.length, &plan), -1);
    assert_int_equal(plan.problems.count, 5000);
    assert_works(cl_plan_format_error(&plan.problems, &out, &err), &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    assert_non_null(strstr((char *)out.bytes, "... and 4900 more"));
}

static void more_tasks_than_fit_are_refused(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 24);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_buf_put_text(&text, "{\"tasks\":[{}", &err);
    for (int i = 1; i < CL_PLAN_TASKS_MAX; i++)
        cl_buf_put_text(&text, ",{}", &err);
    for (int more = 0; more < 2; more++) {
        struct cl_plan CL_AUTO(cl_plan_fini) plan;
        const size_t length = text.length;

        cl_buf_put_text(&text, "]}", &err);
        assert_int_equal(plan_text((char *)text.bytes, text.length, &plan), -1);
        assert_int_equal(plan.count, more ? 0 : CL_PLAN_TASKS_MAX);
        text.length = length;
        cl_buf_put_text(&text, ",{}", &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_plans_or_problems),
        cmocka_unit_test(a_long_chain_is_planned),
        cmocka_unit_test(more_problems_than_fit_are_counted),
        cmocka_unit_test(more_tasks_than_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
