/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/calls: the stored calls of a tenant, the newest first, a page at a time.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: nothing of the request. Every look-up is of the visitor's own tenant.
 */
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "api/http1/exchange.h"
#include "api/query.h"
#include "sandbox/base/own.h"

enum { PAGE = 50, PAGE_MAX = 500, ROWS_MAX = 8 << 20 };

struct list {
    struct cl_visit *visit; /* NULL: the client is gone */
    char tenant[CL_NAME_MAX];
    char function[CL_QUERY_VALUE_MAX];
    char before[CL_QUERY_VALUE_MAX];
    char next[CL_ULID_SIZE];
    int state;
    unsigned limit, count;
    bool has_more;
    struct cl_buf rows;
};

static int take_row(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct list *list = self;

    if (list->count == list->limit) {
        list->has_more = true;
        return 1;
    }
    if (list->count++ > 0 && cl_buf_put(&list->rows, ",", 1, err) < 0)
        return -1;
    strncpy(list->next, call->id, sizeof(list->next) - 1);
    return cl_async_show_row(call, &list->rows, err);
}

static int work_list(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct list *list = arg;
    const struct cl_store_filter filter = {
        .tenant = list->tenant,
        .function = list->function,
        .before = list->before,
        .state = list->state,
        .limit = list->limit + 1,
    };

    if (cl_buf_put_text(&list->rows, "{\"calls\":[", err) < 0 ||
        cl_store_call_list(store, &filter, take_row, list, err) < 0)
        return -1;
    if (list->has_more)
        return cl_buf_format(&list->rows, err, "],\"next\":\"%s\"}", list->next);
    return cl_buf_put_text(&list->rows, "],\"next\":null}", err);
}

static void on_list(void *arg, const struct cl_err *err)
{
    struct list *list = arg;
    struct cl_visit *visit = list->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (visit)
        visit->later = NULL;
    if (visit && err->kind != CL_E_NONE) {
        cl_storeq_refuse(&refusal, err);
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    } else if (visit) {
        cl_visit_answer(visit, "application/json", &list->rows);
    }
    cl_buf_fini(&list->rows);
    free(list);
}

static void on_list_gone(void *self)
{
    ((struct list *)self)->visit = NULL;
}

static const struct cl_visit_later list_later = { .on_end = on_list_gone };

static int read_list(struct list *list, const char *text, struct cl_refusal *refusal)
{
    static const char *const states[] = { "queued", "running", "done", NULL };
    struct cl_query query[] = {
        { .name = "status" }, { .name = "function" }, { .name = "limit" }, { .name = "cursor" }
    };
    uint64_t limit = PAGE;

    if (cl_query_parse(text, query, CL_COUNT(query), refusal) < 0 ||
        cl_query_word(&query[0], states, &list->state, refusal) < 0 ||
        cl_query_u64(&query[2], 1, PAGE_MAX, &limit, refusal) < 0)
        return -1;
    if (query[3].is_given && !cl_async_is_id(query[3].value))
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "parameter \"cursor\" is the `next` of the page before");
    memcpy(list->function, query[1].value, sizeof(list->function));
    memcpy(list->before, query[3].value, sizeof(list->before));
    list->limit = (unsigned)limit;
    return 0;
}

int cl_async_list(struct cl_visit *visit, const char *body, size_t length,
                  struct cl_refusal *refusal)
{
    struct list *list = calloc(1, sizeof(*list));
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    CL_CHECK(list);
    list->visit = visit;
    list->state = -1;
    list->rows = (struct cl_buf)CL_BUF_INIT(ROWS_MAX);
    strcpy(list->tenant, visit->tenant->name);
    if (read_list(list, cl_exchange_head(visit->exchange)->query, refusal) < 0) {
        free(list);
        return -1;
    }
    if (cl_storeq_read(visit->app->storeq, list->tenant, work_list, on_list, list, &err) < 0) {
        free(list);
        return cl_storeq_refuse(refusal, &err);
    }
    visit->later = &list_later;
    visit->later_self = list;
    return 0;
}
