/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log as it is written: a descriptor that only appends, the chain of its lines, and what
 * waits when the disk is full. A line that was put is in the kernel's hands when cl_audit_put
 * returns, so it is there though this process or cloched is killed right after; only while the disk
 * takes nothing do lines wait here, and only so many.
 *
 * Files come from cl_msg_audit. Everything runs on the event loop.
 */
#ifndef CL_AUDIT_LEDGER_H
#define CL_AUDIT_LEDGER_H

#include "api/audit/line.h"
#include "sandbox/base/wire.h"

struct cl_audit;
struct event_base;

struct cl_audit_health {
    bool is_writable;
    const char *why;             /* "": it is */
    uint64_t seq, waiting, lost; /* number of the last line; bytes; lines since the start */
    const char *head;            /* its hash */
};

/* `place` is an open descriptor whose number the log's gets, so that a filter can know it. */
struct cl_audit *cl_audit_new(struct event_base *base, int place);
void cl_audit_free(struct cl_audit *audit);

/* A file from the loader; takes the descriptor. The first line of a new file, and what is said of a
 * torn one, are written here. CL_E_INPUT when the log that is there can't be gone on with. */
int cl_audit_on_file(struct cl_audit *audit, const struct cl_msg_audit *msg, int *fd,
                     struct cl_err *err);
/* Whether it is known now where lines go: to a file, or nowhere. */
bool cl_audit_is_ready(const struct cl_audit *audit);
bool cl_audit_is_on(const struct cl_audit *audit); /* there is a file */
/* Whether new work may begin. */
bool cl_audit_may_serve(const struct cl_audit *audit);
void cl_audit_health(const struct cl_audit *audit, struct cl_audit_health *health);

/* Begins a line; false, and nothing to put, when none is written. `audit` may be NULL. */
bool cl_audit_begin(struct cl_audit *audit, struct cl_auditline *line, const char *event);
void cl_audit_put(struct cl_audit *audit, struct cl_auditline *line);

#endif
