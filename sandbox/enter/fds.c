/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves the worker /dev/null three times and its job socket; closes every other descriptor.
 * Runs in: a worker on its way into the jail.
 * Trusts: the zygote that filled the jail.
 */
#include <unistd.h>

#include "sandbox/base/wire.h"
#include "sandbox/enter/enter.h"

int cl_enter_fds(struct cl_jail *jail, struct cl_err *err)
{
    /* 0-2 are /dev/null already and 3 is the control socket, so no source can be overwritten
     * before it was copied; what was received from cloched is always above. */
    if (jail->job_fd < CL_JOB_FD || jail->null_fd < 0)
        return cl_fail(err, CL_E_SYS, "job socket is fd %d", jail->job_fd);
    for (int fd = 0; fd < CL_JOB_FD; fd++) {
        if (fd != jail->null_fd && dup2(jail->null_fd, fd) < 0)
            return cl_fail(err, CL_E_SYS, "null as fd %d", fd);
    }
    if (jail->job_fd != CL_JOB_FD && dup2(jail->job_fd, CL_JOB_FD) < 0)
        return cl_fail(err, CL_E_SYS, "job socket");
    jail->status_fd = -1; /* it was fd 3 or is closed now */
    if (close_range(CL_JOB_FD + 1, ~0U, 0) < 0)
        return cl_fail(err, CL_E_SYS, "close_range");

    jail->job_fd = CL_JOB_FD;
    return 0;
}
