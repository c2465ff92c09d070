/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives up every id, capability and way of gaining one, and reads the result back.
 * Runs in: a worker on its way into the jail.
 * Trusts: the zygote that filled the jail.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/enter/enter.h"

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

/* NOROOT: uid 0 means nothing at execve. NO_SETUID_FIXUP: a change of uid moves no capability.
 * KEEP_CAPS and AMBIENT_RAISE stay off. All locked. */
enum {
    SECUREBITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
    CAPS_MOST = 64,
};

int cl_enter_bounding(struct cl_err *err)
{
    for (int cap = 0; cap < CAPS_MOST; cap++) {
        int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

        if (has < 0)
            return cap > 0 && errno == EINVAL ? 0 /* past cap_last_cap */
                                              : cl_fail(err, CL_E_SYS, "bounding set");
        if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return cl_fail(err, CL_E_SYS, "drop capability %d", cap);
    }
    return 0;
}

static int set_ids(uid_t uid, struct cl_err *err)
{
    uid_t uids[3];
    gid_t gids[3];

    if (uid == 0)
        return cl_fail(err, CL_E_SYS, "a worker is never uid 0");
    if (getgroups(0, NULL) != 0 && setgroups(0, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "setgroups");
    /* The group first: without the uid's privilege it could not be changed. Raw calls: glibc's
     * wrappers tell all threads, and there are none. */
    if (syscall(SYS_setresgid, uid, uid, uid) != 0)
        return cl_fail(err, CL_E_SYS, "setresgid");
    if (syscall(SYS_setresuid, uid, uid, uid) != 0)
        return cl_fail(err, CL_E_SYS, "setresuid");
    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 ||
        getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return cl_fail(err, CL_E_SYS, "read ids");
    for (int i = 0; i < 3; i++) {
        if (uids[i] != uid || gids[i] != uid)
            return cl_fail(err, CL_E_SYS, "ids did not change");
    }
    return 0;
}

static int capabilities(int call, struct __user_cap_data_struct *sets)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };

    return (int)syscall(call, &head, sets);
}

static int empty_capabilities(struct cl_err *err)
{
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 } };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "clear ambient set");
    if (capabilities(SYS_capset, none) < 0)
        return cl_fail(err, CL_E_SYS, "capset");
    return 0;
}

/* The parent is cloched (CLONE_PARENT), outside of our pid namespace: getppid() says 0 in any
 * case. Whether it died before PDEATHSIG was set is seen on its end of the status socket. */
static int check_parent(const struct cl_jail *jail, struct cl_err *err)
{
    struct pollfd status = { .fd = jail->status_fd, .events = 0 };

    if (jail->status_fd >= 0 && poll(&status, 1, 0) > 0 && (status.revents & POLLHUP))
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    return 0;
}

/* PR_SET_SPECULATION_CTRL is not among them: a worker holds the code and data of one caller, so
 * there is nobody inside to read past a store from, and Python would pay for it all the time. */
static int set_process(struct cl_err *err)
{
    static const struct {
        const char *name;
        int option;
        unsigned long value;
        int tolerated; /* an errno that only means "this kernel cannot" */
    } options[] = {
        { "no_new_privs", PR_SET_NO_NEW_PRIVS, 1, 0 },
        { "dumpable", PR_SET_DUMPABLE, 0, 0 },
        /* After setresuid, which clears it. */
        { "pdeathsig", PR_SET_PDEATHSIG, SIGKILL, 0 },
        /* No page becomes executable that was writable, nor is mapped as both. */
        { "mdwe", PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, EINVAL },
    };

    for (size_t i = 0; i < CL_COUNT(options); i++) {
        if (prctl(options[i].option, options[i].value, 0, 0, 0) == 0)
            continue;
        if (options[i].tolerated == 0 || errno != options[i].tolerated)
            return cl_fail(err, CL_E_SYS, "prctl %s", options[i].name);
    }
    return 0;
}

static int read_back(struct cl_jail_seen *seen, struct cl_err *err)
{
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

    if (capabilities(SYS_capget, sets) < 0)
        return cl_fail(err, CL_E_SYS, "capget");
    uint32_t low = sets[0].effective | sets[0].permitted | sets[0].inheritable;
    uint32_t high = sets[1].effective | sets[1].permitted | sets[1].inheritable;

    seen->caps = (uint64_t)high << 32 | low;
    seen->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    seen->uid = getuid();
    seen->gid = getgid();
    if (seen->caps != 0 || !seen->no_new_privs)
        return cl_fail(err, CL_E_SYS, "capabilities are left");
    return 0;
}

int cl_enter_ids(struct cl_jail *jail, struct cl_err *err)
{
    /* A process group of its own. Not a session: the zygote has one without a terminal, only its
     * leader could take one, and each new session costs a scheduling group (autogroup). */
    if (setpgid(0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "setpgid");
    if (prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "securebits");
    if (set_ids(jail->uid, err) < 0 || empty_capabilities(err) < 0 || set_process(err) < 0)
        return -1;
    if (check_parent(jail, err) < 0)
        return -1;

    return read_back(&jail->seen, err);
}
