/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the interpreter in a fixed environment, and wraps the fork hooks of CPython.
 * Runs in: cloche-zygote; the last hook in each worker, after it is locked down.
 * Trusts: the host's Python; no caller's byte exists yet.
 */
#include "runtime/interp.h"

#include "runtime/pyref.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "runtime/arena.h"
#include "runtime/boot.h"
#include "sandbox/base/own.h"

/* All there is: what cloched's environment holds is none of a caller's business. */
static const char *const environment[][2] = {
    { "LANG", "C.UTF-8" },
    { "TZ", "UTC0" }, /* inside there is no /etc/localtime; glibc would look for it each time */
    { "OPENBLAS_NUM_THREADS", "1" }, /* no thread may exist when the zygote clones */
    { "OMP_NUM_THREADS", "1" },
    { "MKL_NUM_THREADS", "1" },
};

int cl_interp_start(struct cl_err *err)
{
    if (clearenv() != 0)
        return cl_fail(err, CL_E_SYS, "clear the environment");
    for (size_t i = 0; i < CL_COUNT(environment); i++) {
        if (setenv(environment[i][0], environment[i][1], 1) < 0)
            return cl_fail(err, CL_E_SYS, "set %s", environment[i][0]);
    }
    if (cl_arena_open(err) < 0)
        return -1;
    return cl_boot_start(err);
}

void cl_interp_before_forks(void)
{
    PyOS_BeforeFork();
}

void cl_interp_after_fork(void)
{
    PyOS_AfterFork_Child();
}

int cl_interp_check_threads(struct cl_err *err)
{
    struct stat task;

    if (stat("/proc/self/task", &task) < 0)
        return cl_fail(err, CL_E_SYS, "look at my threads");
    /* procfs counts a link for each thread, besides "." and "..". */
    if (task.st_nlink != 3)
        return cl_fail(err, CL_E_SYS, "%lu threads after preloading",
                       (unsigned long)task.st_nlink - 2);
    return 0;
}
