/* SPDX-License-Identifier: Apache-2.0 */
/* Where an audit log ends: what the next line of it follows from. */
#ifndef CL_AUDIT_TAIL_H
#define CL_AUDIT_TAIL_H

#include "api/audit/line.h"
#include "sandbox/base/err.h"

/* A power cut leaves less unwritten than this at its end; more is somebody's doing. */
enum { CL_AUDIT_TAIL_BYTES = 1 << 20 };

struct cl_audit_tail {
    uint64_t seq;
    char head[CL_AUDIT_HEAD];
    uint64_t torn_bytes; /* behind the last good line; 0: none */
    char torn[CL_AUDIT_HEAD];
    bool lacks_newline; /* the last good line does */
    bool is_of_before;  /* of the file before; the new one is still empty */
};

/* `fd` is open for reading; `is_before`: it is the file before, which is not written any more, and
 * whose torn end stays. An empty file, and none, begin a log. CL_E_INPUT when what is there is no
 * audit log. */
int cl_audit_tail_read(struct cl_audit_tail *tail, int fd, bool is_before, struct cl_err *err);

#endif
