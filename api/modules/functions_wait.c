/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call of a function whose modules are not in memory: it waits for the store, then is taken again.
 * Runs in: cloche-api.
 * Trusts: nothing of the request, which is read anew.
 */
#include <string.h>

#include "api/http1/exchange.h"
#include "api/modules/modules.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

struct wait {
    struct cl_visit *visit;
    uint64_t fetch;
    enum cl_call_kind kind;
    char function[CL_ROUTE_PARAM_MAX];
    char *body; /* owned */
    size_t length;
};

static void free_wait(struct wait *wait)
{
    free(wait->body);
    free(wait);
}

static void on_end(void *self)
{
    struct wait *wait = self;

    cl_modules_forget(wait->visit->app->modules, wait->fetch);
    free_wait(wait);
}

static const struct cl_visit_later later = { .on_end = on_end };

static void on_ready(void *self, const struct cl_refusal *why)
{
    struct wait *wait = self;
    struct cl_visit *visit = wait->visit;
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    const struct cl_json body = { wait->body, wait->length };

    visit->later = NULL;
    if (why)
        refusal = *why;
    if (why || cl_calls_take(visit, wait->kind, wait->function, body, &refusal) < 0)
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    free_wait(wait);
}

int cl_functions_wait(struct cl_visit *visit, const struct cl_call_sent *sent,
                      const struct cl_modules_want *want)
{
    struct wait *wait = calloc(1, sizeof(*wait));

    CL_CHECK(wait);
    wait->visit = visit;
    wait->kind = sent->kind;
    wait->length = sent->length;
    snprintf(wait->function, sizeof(wait->function), "%s",
             sent->function ? sent->function : "");
    wait->body = malloc(sent->length + 1);
    CL_CHECK(wait->body);
    memcpy(wait->body, sent->body, sent->length);
    wait->body[sent->length] = '\0';
    wait->fetch = cl_modules_fetch(visit->app->modules, want, on_ready, wait);
    visit->later = &later;
    visit->later_self = wait;
    return 0;
}
