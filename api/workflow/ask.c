/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that come over HTTP: planned, or refused with every problem; and :validate.
 * Runs in: cloche-api.
 * Trusts: nothing of the request.
 */
#include "api/workflow/ask.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "api/modules/modules.h"
#include "api/workflow/document.h"
#include "sandbox/base/own.h"

static uint32_t random_number(void *self)
{
    uint32_t number = 0;

    (void)self;
    CL_CHECK(getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number));
    return number;
}

/* The file set of a tenant is one folder. */
static int list_files(void *self, const char *folder,
                      void (*each)(void *user, const char *name), void *user)
{
    const struct cl_visit *visit = self;
    struct cl_module module = { .name = "" };
    char name[CL_MODULE_NAME_MAX + 8];

    if (strcmp(folder, ".") != 0 && strcmp(folder, "./") != 0)
        return -1;
    while (cl_modules_next(visit->app->modules, visit->tenant, module.name, &module)) {
        snprintf(name, sizeof(name), "%s.py", module.name);
        each(user, name);
    }
    return 0;
}

void cl_workflow_answer(struct cl_visit *visit, int status, const struct cl_buf *text)
{
    cl_exchange_answer(visit->exchange, status, "application/json", text->bytes, text->length);
}

static int answer_problems(struct cl_visit *visit, const struct cl_problems *problems)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(4 << 20);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_plan_format_error(problems, &text, &err) == 0);
    cl_workflow_answer(visit, 422, &text);
    return 0;
}

int cl_workflow_answer_problem(struct cl_visit *visit, const char *what)
{
    struct cl_problems CL_AUTO(cl_problems_fini) problems;

    cl_problems_init(&problems);
    cl_problems_add(&problems, "%s", what);
    return answer_problems(visit, &problems);
}

static struct cl_wnode *add(struct cl_wtree *tree, struct cl_wnode *map, const char *key,
                            enum cl_wnode_kind kind)
{
    struct cl_wnode *node = cl_wnode_new(tree, kind, (struct cl_wplace){ 1, 1 });

    node->key = key;
    node->key_length = strlen(key);
    cl_wnode_append(map, node);
    return node;
}

/* A task becomes a workflow of one, under one id. */
static void wrap_task(struct cl_wtree *tree)
{
    struct cl_wnode *task = tree->root;
    const struct cl_wnode *given = cl_wnode_find(task, "id");
    struct cl_wnode *root = cl_wnode_new(tree, CL_W_MAP, (struct cl_wplace){ 1, 1 });
    struct cl_wnode *id;
    char text[32];

    if (!given && task->kind == CL_W_MAP) {
        id = add(tree, task, "id", CL_W_STRING);
        snprintf(text, sizeof(text), "task-%08x", random_number(NULL));
        id->text = cl_wtree_copy(tree, text, strlen(text));
        id->length = strlen(text);
        given = id;
    }
    if (given && given->kind <= CL_W_STRING && given->kind >= CL_W_NUMBER) {
        id = add(tree, root, "id", CL_W_STRING);
        id->text = given->text;
        id->length = given->length;
    }
    cl_wnode_append(add(tree, root, "tasks", CL_W_LIST), task);
    tree->root = root;
}

int cl_workflow_plan(struct cl_visit *visit, const char *body, size_t length, bool is_task,
                     struct cl_plan *plan)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    const struct cl_plan_env env = { random_number, list_files, visit };
    struct cl_err err = CL_ERR_INIT;
    const int read = visit->body_type == CL_TAKES_YAML
                         ? cl_document_parse_yaml(&tree, body, length, &err)
                         : cl_document_parse_json(&tree, body, length, &err);

    if (read < 0) {
        cl_workflow_answer_problem(visit, err.text);
        return 1;
    }
    if (is_task)
        wrap_task(&tree);
    if (cl_plan_init(plan, tree.root, &env) == 0)
        return 0;
    answer_problems(visit, &plan->problems);
    return 1;
}

int cl_workflows_validate(struct cl_visit *visit, const char *body, size_t length,
                          struct cl_refusal *refusal)
{
    struct cl_plan CL_AUTO(cl_plan_fini) made = { 0 };
    struct cl_buf *document = &made.document;
    struct cl_err err = CL_ERR_INIT;

    (void)refusal;
    if (cl_workflow_plan(visit, body, length, false, &made) > 0)
        return 0;
    if (made.warnings.count > 0) {
        document->length--; /* the brace */
        if (cl_buf_format(document, &err, ",\"warnings\":[%.*s]}",
                          (int)made.warnings.list.length, (char *)made.warnings.list.bytes) < 0)
            return cl_refusal_set(refusal, CL_R_NO_MEMORY, "%s", err.text);
    }
    cl_visit_answer(visit, "application/json", document);
    return 0;
}
