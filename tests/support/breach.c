/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into a zygote that is the real one, but for a wall of the jail that it leaves out: the one
 * that a file beside the program names.
 * Runs in: cloche-zygote's place, started by a cloched of tests/integration/test_walls.py.
 * Trusts: the test, which wrote the file.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"
#include "sandbox/enter/enter.h"

int __real_cl_enter_ids(struct cl_jail *jail, struct cl_err *err);
int __real_cl_enter_fds(struct cl_jail *jail, struct cl_err *err);
int __real_cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err);
int __real_cl_enter_seccomp_zygote(const struct cl_policy *policy, struct cl_err *err);
int __wrap_cl_enter_ids(struct cl_jail *jail, struct cl_err *err);
int __wrap_cl_enter_fds(struct cl_jail *jail, struct cl_err *err);
int __wrap_cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err);
int __wrap_cl_enter_seccomp_zygote(const struct cl_policy *policy, struct cl_err *err);

static char missing[16];

/* Before main: the host's files are gone by the time that walls are put up. */
static __attribute__((constructor)) void read_file(void)
{
    char path[PATH_MAX + 16] = "";

    if (readlink("/proc/self/exe", path, PATH_MAX - 1) <= 0)
        _exit(1);
    strcpy(strrchr(path, '/'), "/breach");
    cl_close_auto int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, missing, sizeof(missing) - 1) < 0) {
        perror(path);
        _exit(1);
    }
}

static bool is_missing(const char *wall)
{
    return strcmp(missing, wall) == 0;
}

int __wrap_cl_enter_ids(struct cl_jail *jail, struct cl_err *err)
{
    return is_missing("ids") ? 0 : __real_cl_enter_ids(jail, err);
}

/* One descriptor more than it should keep. */
int __wrap_cl_enter_fds(struct cl_jail *jail, struct cl_err *err)
{
    if (__real_cl_enter_fds(jail, err) < 0)
        return -1;
    return is_missing("fds") && dup2(CL_JOB_FD, CL_JOB_FD + 1) < 0 ? -1 : 0;
}

int __wrap_cl_enter_seccomp(struct cl_jail *jail, struct cl_err *err)
{
    return is_missing("seccomp") ? 0 : __real_cl_enter_seccomp(jail, err);
}

int __wrap_cl_enter_seccomp_zygote(const struct cl_policy *policy, struct cl_err *err)
{
    return is_missing("seccomp") ? 0 : __real_cl_enter_seccomp_zygote(policy, err);
}
