/* SPDX-License-Identifier: Apache-2.0 */
/* Reads frames from the job socket, buffered, and gathers one call. */
#ifndef CL_RUNTIME_INTAKE_H
#define CL_RUNTIME_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/call.h"
#include "sandbox/base/err.h"

enum {
    CL_INTAKE_BUFFER = 16 << 10,    /* an ordinary call is one read(2) */
    CL_INTAKE_TOTAL_MAX = 64 << 20, /* bytes of all frames of one call */
};

struct cl_intake {
    int fd;
    size_t start, end; /* what of `bytes` was read and not yet used */
    size_t total;
    uint8_t bytes[CL_INTAKE_BUFFER];
};

/* Reads until GO; in a session NUMBER comes before CALL, and the next call may be behind GO
 * already: set `total` to 0 and call again. PROBE frames, which may only come before CALL, go to `on_probe`. Returns 1
 * when the call is complete, 0 when the peer closed at a border of frames (it needs this worker
 * no more), -1 for anything that is not a call: CL_E_LOST for a broken protocol, CL_E_LIMIT.
 * The texts of the call live until the process ends. */
int cl_intake_call(struct cl_intake *intake, struct cl_call *call,
                   void (*on_probe)(const struct cl_frame_probe *probe), struct cl_err *err);

#endif
