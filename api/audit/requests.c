/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the audit log about requests: those that changed something, and refusals, of which a flood
 * is not written whole.
 * Runs in: cloche-api.
 * Trusts: our own state. Texts of callers are cut and escaped by line.c.
 */
#include "api/audit/events.h"

#include <string.h>

#include "api/http1/exchange.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

static void put_visit(struct cl_auditline *line, const struct cl_visit *visit,
                      const struct cl_exchange *exchange)
{
    const struct cl_http_head *head = cl_exchange_head(exchange);

    if (visit && visit->tenant) {
        cl_auditline_word(line, "tenant", visit->tenant->name);
        cl_auditline_word(line, "key", cl_visit_key(visit));
    }
    cl_auditline_word(line, "peer", cl_exchange_peer(exchange));
    cl_auditline_text(line, "method", head->method, strlen(head->method), CL_AUDIT_TEXT_MAX);
    cl_auditline_text(line, "path", head->path, strlen(head->path), CL_AUDIT_TEXT_MAX);
}

/* Requests that change something and have no event with more to tell. */
static const struct {
    int (*run)(struct cl_visit *visit, const char *body, size_t length,
               struct cl_refusal *refusal);
    const char *event;
} noted[] = {
    { cl_async_delete, "call.cancel" },
    { cl_modules_delete, "module.delete" },
    { cl_sessions_end, "session.close" },
    { cl_workflows_cancel, "workflow.cancel" },
};

void cl_audit_answer(const struct cl_visit *visit, int status)
{
    struct cl_auditline line;

    for (size_t i = 0; visit->route && i < CL_COUNT(noted); i++) {
        if (visit->route->run != noted[i].run || status >= 300)
            continue;
        if (!cl_audit_begin(visit->app->audit, &line, noted[i].event))
            return;
        put_visit(&line, visit, visit->exchange);
        cl_auditline_number(&line, "status", (uint64_t)status);
        cl_audit_put(visit->app->audit, &line);
        return;
    }
}

/* Whether one more of this kind is told of now. */
static bool may_tell(struct cl_app *app, enum cl_refusal_kind kind, uint64_t *left_out)
{
    struct cl_audit_refusals *row = &app->audit_refusals[kind];
    const uint64_t now = cl_clock_us();
    const uint64_t gained = (now - row->at_us) * CL_AUDIT_REFUSALS_PER_S / 1000000;

    if (gained > 0 || row->at_us == 0) {
        row->left = row->at_us == 0 || gained > CL_AUDIT_REFUSALS_BURST - row->left
                        ? CL_AUDIT_REFUSALS_BURST
                        : row->left + (uint32_t)gained;
        row->at_us = now;
    }
    if (row->left == 0) {
        row->left_out++;
        return false;
    }
    row->left--;
    *left_out = row->left_out;
    row->left_out = 0;
    return true;
}

static bool is_told(int status)
{
    return status == 401 || status == 403 || status == 429;
}

static bool begin_refused(const struct cl_app *app, enum cl_refusal_kind kind,
                          struct cl_auditline *line)
{
    const struct cl_refusal_row *row = cl_refusal_row(kind);

    if (!cl_audit_begin(app->audit, line, "refused"))
        return false;
    cl_auditline_word(line, "problem", row->slug);
    cl_auditline_number(line, "status", (uint64_t)row->status);
    return true;
}

void cl_audit_refused(struct cl_app *app, const struct cl_exchange *exchange,
                      const struct cl_refusal *refusal)
{
    struct cl_auditline line;
    uint64_t left_out = 0;

    if (!is_told(cl_refusal_row(refusal->kind)->status) || !cl_audit_is_on(app->audit) ||
        !may_tell(app, refusal->kind, &left_out) || !begin_refused(app, refusal->kind, &line))
        return;
    put_visit(&line, cl_exchange_user(exchange), exchange);
    cl_auditline_text(&line, "detail", refusal->detail, strlen(refusal->detail),
                      CL_AUDIT_TEXT_MAX);
    if (left_out > 0)
        cl_auditline_number(&line, "left_out", left_out);
    cl_audit_put(app->audit, &line);
}

void cl_audit_left_out(struct cl_app *app)
{
    struct cl_auditline line;

    for (size_t i = 0; i < CL_COUNT(app->audit_refusals); i++) {
        struct cl_audit_refusals *row = &app->audit_refusals[i];

        if (row->left_out == 0 || !begin_refused(app, (enum cl_refusal_kind)i, &line))
            continue;
        cl_auditline_number(&line, "left_out", row->left_out);
        row->left_out = 0;
        cl_audit_put(app->audit, &line);
    }
}
