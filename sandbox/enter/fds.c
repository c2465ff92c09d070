/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves the worker an empty pipe three times and its job socket; closes every other descriptor.
 * Runs in: a worker on its way into the jail.
 * Trusts: the zygote that filled the jail.
 */
#include <unistd.h>

#include "sandbox/base/wire.h"
#include "sandbox/enter/enter.h"

/* A pipe of its own, of which only the reading end stays: reads are at the end at once, writes
 * are refused, and a lock, a flag or a time set on it is seen by nobody. /dev/null would be an
 * inode of the host that every worker of every tenant shares. */
static int place_pipe(struct cl_err *err)
{
    int ends[2];

    if (pipe2(ends, 0) < 0)
        return cl_fail(err, CL_E_SYS, "pipe");
    for (int fd = 0; fd < CL_JOB_FD; fd++) {
        if (dup2(ends[0], fd) < 0)
            return cl_fail(err, CL_E_SYS, "pipe as fd %d", fd);
    }
    return 0;
}

int cl_enter_fds(struct cl_jail *jail, struct cl_err *err)
{
    /* 0-2 are open already and 3 is the control socket, so no source can be overwritten before
     * it was copied; what was received from cloched, and the pipe, is always above. */
    if (jail->job_fd < CL_JOB_FD)
        return cl_fail(err, CL_E_SYS, "job socket is fd %d", jail->job_fd);
    if (place_pipe(err) < 0)
        return -1;
    if (jail->job_fd != CL_JOB_FD && dup2(jail->job_fd, CL_JOB_FD) < 0)
        return cl_fail(err, CL_E_SYS, "job socket");
    jail->status_fd = -1; /* it was fd 3 or is closed now */
    if (close_range(CL_JOB_FD + 1, ~0U, 0) < 0)
        return cl_fail(err, CL_E_SYS, "close_range");

    jail->job_fd = CL_JOB_FD;
    return 0;
}
