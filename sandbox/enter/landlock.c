/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A third layer behind mounts and filter: a ruleset that handles every right the running kernel
 * knows and grants back only what the policy does.
 * Runs in: a worker on its way into the jail, after no_new_privs.
 * Trusts: the checked policy.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/enter/enter.h"
#include "sandbox/enter/trees.h"

/* Debian 12's headers know ABI 3; newer kernels know more, and refuse what they do not know. */
struct ruleset {
    uint64_t fs;     /* ABI 1 */
    uint64_t net;    /* ABI 4 */
    uint64_t scoped; /* ABI 6 */
};

enum { ABI_NET = 4, ABI_SCOPED = 6, ABI_KNOWN = 7 };

/* Rights are numbered upwards without gaps: the first `n` of each word. */
#define FIRST(n) (((uint64_t)1 << (n)) - 1)

static const struct ruleset rulesets[ABI_KNOWN + 1] = {
    [1] = { FIRST(13), 0, 0 },               /* execute .. make_sym */
    [2] = { FIRST(14), 0, 0 },               /* + refer */
    [3] = { FIRST(15), 0, 0 },               /* + truncate */
    [4] = { FIRST(15), FIRST(2), 0 },        /* + bind_tcp, connect_tcp */
    [5] = { FIRST(16), FIRST(2), 0 },        /* + ioctl_dev */
    [6] = { FIRST(16), FIRST(2), FIRST(2) }, /* + abstract unix socket, signal */
    [7] = { FIRST(16), FIRST(2), FIRST(2) }, /* + audit control */
};

#define READ    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define EXECUTE LANDLOCK_ACCESS_FS_EXECUTE
/* Regular files and directories only: no device, socket, fifo; nothing is executed. */
#define WRITE                                                                                  \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | (FIRST(15) - FIRST(13)))

static int known_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return abi > ABI_KNOWN ? ABI_KNOWN : (int)abi;
}

static size_t ruleset_size(int abi)
{
    if (abi >= ABI_SCOPED)
        return sizeof(struct ruleset);
    return abi >= ABI_NET ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

/* Rights of files alone may be given to directories, not the other way round; `path` is always
 * a directory, or a file where only READ and EXECUTE of files are asked for. */
static int grant(int ruleset, const char *path, uint64_t rights, struct cl_err *err)
{
    cl_close_auto int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };

    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s", path);
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return cl_fail(err, CL_E_SYS, "rule for %s", path);
    return 0;
}

static int grant_all(int ruleset, const char *const *paths, uint64_t rights, struct cl_err *err)
{
    for (; *paths; paths++) {
        if (grant(ruleset, *paths, rights, err) < 0)
            return -1;
    }
    return 0;
}

static int grant_binds(int ruleset, const struct cl_policy *policy, struct cl_err *err)
{
    const char *source = NULL;
    const char *target = NULL;

    while ((source = cl_policyview_text(policy, &policy->binds, target))) {
        target = cl_policyview_text(policy, &policy->binds, source);
        if (!target)
            break;
        if (grant(ruleset, target, READ, err) < 0)
            return -1;
    }
    return 0;
}

static int grant_policy(int ruleset, const struct cl_policy *policy, uint64_t known,
                        struct cl_err *err)
{
    if (policy->files_bytes > 0 && grant(ruleset, "/tmp", (READ | WRITE) & known, err) < 0)
        return -1;
    if (policy->tiers & CL_TIER_LATE_IMPORTS) {
        if (grant_all(ruleset, cl_trees_python, READ | EXECUTE, err) < 0 ||
            grant_all(ruleset, cl_trees_libraries, READ | EXECUTE, err) < 0)
            return -1;
    }
    return grant_binds(ruleset, policy, err);
}

int cl_enter_landlock(struct cl_jail *jail, struct cl_err *err)
{
    int abi = known_abi();

    /* A kernel without Landlock leaves the other two layers; `cloche doctor` names it. */
    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
        return 0;
    if (abi < 1)
        return cl_fail(err, CL_E_SYS, "landlock version");
    cl_close_auto int ruleset =
        (int)syscall(SYS_landlock_create_ruleset, &rulesets[abi], ruleset_size(abi), 0);
    if (ruleset < 0)
        return cl_fail(err, CL_E_SYS, "landlock ruleset");
    if (grant_policy(ruleset, jail->policy, rulesets[abi].fs, err) < 0)
        return -1;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return cl_fail(err, CL_E_SYS, "landlock");
    return 0;
}
