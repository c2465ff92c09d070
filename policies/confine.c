/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock without any right, no_new_privs, limits, and no descriptor but its own.
 * Runs in: cloche-policyc serve, first of all.
 * Trusts: nothing.
 */
#include "policies/confine.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

/* Newer than the headers of the oldest supported build host. */
struct ruleset {
    uint64_t files;
    uint64_t network; /* ABI 4 */
    uint64_t scoped;  /* ABI 6 */
};

/* What each ABI knows of; a kernel refuses bits and sizes that it does not know. */
static const struct {
    size_t size;
    struct ruleset handled;
} abis[] = {
    { 0, { 0, 0, 0 } },           { 8, { 0x1fff, 0, 0 } }, /* 1: all but REFER */
    { 8, { 0x3fff, 0, 0 } },                               /* 2: REFER */
    { 8, { 0x7fff, 0, 0 } },                               /* 3: TRUNCATE */
    { 16, { 0x7fff, 0x3, 0 } },                            /* 4: TCP bind and connect */
    { 16, { 0xffff, 0x3, 0 } },                            /* 5: IOCTL_DEV */
    { 24, { 0xffff, 0x3, 0x3 } },                          /* 6: abstract sockets, signals */
};

static const struct {
    int name;
    rlim_t most;
} limits[] = {
    { RLIMIT_CORE, 0 },       { RLIMIT_FSIZE, 4 << 20 },
    { RLIMIT_NPROC, 0 },      { RLIMIT_CPU, 20 }, /* seconds, for the whole set */
#ifndef CL_ASAN
    { RLIMIT_AS, 512 << 20 },
#endif
    { RLIMIT_NOFILE, 512 }, /* also bounds descriptors on their way to cloched */
};

static int landlock(struct cl_err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
        /* Only this layer is missing; the uid, the limits and the parent's checks remain. */
        cl_log(CL_WARN, "policyc.landlock", "missing=1");
        return 0;
    }
    if (abi < 1)
        return cl_fail(err, CL_E_SYS, "ask for Landlock's version");
    if (abi >= (long)CL_COUNT(abis))
        abi = CL_COUNT(abis) - 1;

    cl_close_auto int rules =
        (int)syscall(SYS_landlock_create_ruleset, &abis[abi].handled, abis[abi].size, 0);
    if (rules < 0)
        return cl_fail(err, CL_E_SYS, "make an empty Landlock ruleset");
    if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return cl_fail(err, CL_E_SYS, "enter Landlock");
    return 0;
}

int cl_confine_run(struct cl_err *err)
{
    if (close_range(CL_CONTROL_FD + 1, ~0u, 0) < 0)
        return cl_fail(err, CL_E_SYS, "close what was inherited");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "set no_new_privs");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "clear dumpable");
    for (size_t i = 0; i < CL_COUNT(limits); i++) {
        const struct rlimit limit = { limits[i].most, limits[i].most };
        if (setrlimit((__rlimit_resource_t)limits[i].name, &limit) < 0)
            return cl_fail(err, CL_E_SYS, "limit %d", limits[i].name);
    }
    return landlock(err);
}
