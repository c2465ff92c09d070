/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call ended: what the API saw on the job socket, joined with what the kernel told
 * cloched, gives exactly one verdict. Pure; the rules are one table in verdict.c.
 */
#ifndef CL_API_VERDICT_H
#define CL_API_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/base/wire.h"

enum cl_verdict_kind {
    CL_V_OK = 1,
    CL_V_ERROR,
    CL_V_DENIED,
    CL_V_LIMIT,
    CL_V_CRASHED,
    CL_V_CANCELLED,
    CL_V_LOST,
    CL_V_COUNT_
};

/* The API's side of the story. */
struct cl_verdict_seen {
    uint32_t final;      /* type of the final frame, 0 when none came */
    bool broke_protocol; /* whatever came before or after */
    bool is_starved;     /* we had no memory for what it said */
    bool has_partial;    /* the socket ended inside a frame */
    enum cl_limit over;  /* a cap that the API keeps was passed */
    uint64_t over_used;
    struct cl_frame_limit own; /* with final CL_F_LIMIT */
    const uint64_t *limits;    /* values in force, by enum cl_limit */
};

struct cl_verdict {
    enum cl_verdict_kind kind;
    bool is_protocol;    /* ERROR of type ProtocolError instead of the worker's frame */
    bool is_syscall;     /* DENIED by the filter, without a frame */
    enum cl_limit limit; /* LIMIT */
    uint64_t value, used;
    bool is_own;         /* LIMIT by the worker's frame, which may name the place */
    int signal;          /* CRASHED: 0 when it exited */
    int status;          /* CRASHED: exit status, when signal is 0 */
    const char *message; /* LOST */
};

struct cl_verdict cl_verdict_join(const struct cl_verdict_seen *seen,
                                  const struct cl_msg_end *end);

const char *cl_verdict_name(enum cl_verdict_kind kind);   /* "ok", ... */
const char *cl_verdict_signal(int signal, char room[16]); /* "SIGSEGV", "SIG42" */

#endif
