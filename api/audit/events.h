/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the audit log tells: one function for each kind of event; docs/audit.md lists their members.
 * Each writes at most one line, and none where no log is kept. What comes after it in the same turn
 * of the event loop, an answer for instance, finds the line written.
 */
#ifndef CL_AUDIT_EVENTS_H
#define CL_AUDIT_EVENTS_H

#include <stdint.h>

#include "api/audit/ledger.h"

struct cl_app;
struct cl_exchange;
struct cl_job;
struct cl_msg_problem;
struct cl_refusal;
struct cl_request;
struct cl_verdict;
struct cl_visit;

enum {
    CL_AUDIT_REFUSALS_PER_S = 10,
    CL_AUDIT_REFUSALS_BURST = 100,
    CL_AUDIT_TEXT_MAX = 256, /* of a text that is not ours */
};

/* Of one kind of refusals. */
struct cl_audit_refusals {
    uint64_t at_us;
    uint32_t left; /* lines that may still be written */
    uint64_t left_out;
};

/* A call ended, by whatever road it came. */
void cl_audit_call(struct cl_audit *audit, const struct cl_job *job,
                   const struct cl_verdict *verdict);
/* A stored call ended, and no worker has said so. */
struct cl_audit_unrun {
    const char *id, *tenant, *key, *policy, *verdict, *trace;
    const char *why;                  /* of a refusal, its slug; NULL: none */
    const struct cl_request *request; /* what it was; NULL: it is not at hand */
    uint32_t flags;                   /* of that, enum cl_call_flags */
};
void cl_audit_unrun(struct cl_audit *audit, const struct cl_audit_unrun *call);

/* A request was answered: those that changed something are told of. */
void cl_audit_answer(const struct cl_visit *visit, int status);
/* A request was refused. Of each kind that matters a hundred lines, then ten a second; the next line
 * tells how many were left out. */
void cl_audit_refused(struct cl_app *app, const struct cl_exchange *exchange,
                      const struct cl_refusal *refusal);
/* The same of those that no line came after, one for each kind: at the end. */
void cl_audit_left_out(struct cl_app *app);

/* Something of a tenant's began, changed or ended: "session.open", "module.put". */
struct cl_audit_change {
    const char *event, *tenant, *key, *id;
    const char *detail_name, *detail; /* NULL: none */
};
void cl_audit_change(struct cl_audit *audit, const struct cl_audit_change *change);

/* A generation is in force, and what became of tokens with it, unless it is this process's first;
 * one was refused. */
void cl_audit_loaded(const struct cl_app *app, bool is_first);
void cl_audit_problem(struct cl_audit *audit, const struct cl_msg_problem *problem);

/* This process begins to serve, or ends in order. */
void cl_audit_start(struct cl_audit *audit);
void cl_audit_stop(struct cl_audit *audit);

#endif
