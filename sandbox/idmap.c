/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims a range of host ids and maps parts of it into user namespaces.
 * Runs in: cloched.
 * Trusts: /run/cloche, which only root may write.
 */
#include "sandbox/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { BASE = 1879048192, INSTANCES_MAX = 1024 };

int cl_idmap_claim(uid_t *base, struct cl_err *err)
{
    cl_close_auto int dir = cl_file_dir(AT_FDCWD, "/run/cloche", 0700, err);

    if (dir < 0)
        return cl_err_context(err, "/run/cloche holds the locks of uid ranges");
    for (unsigned n = 0; n < INSTANCES_MAX; n++) {
        char name[32];
        snprintf(name, sizeof(name), "range-%u", n);
        cl_close_auto int lock =
            openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (lock < 0)
            return cl_fail(err, CL_E_SYS, "cannot write /run/cloche/%s", name);
        if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
            *base = (uid_t)BASE + n * CL_IDMAP_INSTANCE_IDS;
            return cl_take_fd(&lock);
        }
        if (errno != EWOULDBLOCK)
            return cl_fail(err, CL_E_SYS, "lock /run/cloche/%s", name);
    }
    return cl_fail(err, CL_E_BUSY, "all %d uid ranges are in use", INSTANCES_MAX);
}

uid_t cl_idmap_zygote(uid_t base, unsigned k)
{
    CL_CHECK(k < CL_IDMAP_ZYGOTES_MAX);
    return base + (k + 1) * CL_IDMAP_ZYGOTE_IDS;
}

int cl_idmap_write(pid_t pid, uid_t first, struct cl_err *err)
{
    char path[64], line[64];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    snprintf(line, sizeof(line), "0 %u %d\n", (unsigned)first, CL_IDMAP_ZYGOTE_IDS);
    cl_close_auto int dir = cl_file_dir(AT_FDCWD, path, 0, err);
    if (dir < 0)
        return -1;
    /* With setgroups denied nothing inside can give a group back that was taken away. */
    if (cl_file_put(dir, "setgroups", "deny", err) < 0 ||
        cl_file_put(dir, "uid_map", line, err) < 0 ||
        cl_file_put(dir, "gid_map", line, err) < 0)
        return cl_err_context(err, "map ids of %d", (int)pid);
    return 0;
}
