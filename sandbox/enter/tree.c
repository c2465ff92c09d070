/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the zygote's read-only tree on a fresh tmpfs, moves into it and drops the host's.
 * Runs in: cloche-zygote, root of its user namespace only, before any worker exists.
 * Trusts: the checked policy, whose sources an admin named.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/enter/enter.h"
#include "sandbox/enter/trees.h"

enum { COMPONENT_MAX = 256 };

#define LOCKED_ATTRS (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static int set_attrs(int mount, unsigned attrs, uint64_t set, struct cl_err *err)
{
    struct mount_attr attr = { .attr_set = set };

    if (mount_setattr(mount, "", AT_EMPTY_PATH | attrs, &attr, sizeof(attr)) < 0)
        return cl_fail(err, CL_E_SYS, "mount attributes");
    return 0;
}

static int set_option(int fs, const char *key, const char *value, struct cl_err *err)
{
    if (fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0)
        return cl_fail(err, CL_E_SYS, "tmpfs %s", key);
    return 0;
}

/* A detached tmpfs: nothing else can see it before it is complete. */
static int make_root(struct cl_err *err)
{
    cl_close_auto int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

    if (fs < 0)
        return cl_fail(err, CL_E_SYS, "fsopen tmpfs");
    if (set_option(fs, "size", "1m", err) < 0 || set_option(fs, "nr_inodes", "256", err) < 0 ||
        set_option(fs, "mode", "0755", err) < 0)
        return -1;
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return cl_fail(err, CL_E_SYS, "create tmpfs");
    int mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

    return mount < 0 ? cl_fail(err, CL_E_SYS, "fsmount") : mount;
}

/* One step below `dir`, made if it is missing. Takes the next component off *path. */
static int step_down(int dir, const char **path, struct cl_err *err)
{
    char name[COMPONENT_MAX];
    size_t length = strcspn(*path, "/");

    if (length == 0 || length >= sizeof(name))
        return cl_fail(err, CL_E_INPUT, "path component \"%.40s\"", *path);
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length + strspn(*path + length, "/");
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return cl_fail(err, CL_E_INPUT, "path has a dot component");
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return cl_fail(err, CL_E_SYS, "make %s", name);
    int next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return next < 0 ? cl_fail(err, CL_E_SYS, "open %s", name) : next;
}

/* Makes the directory `path` (absolute, inside) below `root`. Returns an O_PATH fd. */
static int make_dir(int root, const char *path, struct cl_err *err)
{
    cl_close_auto int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return cl_fail(err, CL_E_SYS, "open the new root");
    path += strspn(path, "/");
    while (*path) {
        int next = step_down(dir, &path, err);

        if (next < 0)
            return -1;
        close(dir);
        dir = next;
    }
    return cl_take_fd(&dir);
}

static int attach(int tree, int target, struct cl_err *err)
{
    if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return cl_fail(err, CL_E_SYS, "attach a mount");
    return 0;
}

/* A copy of the host's directory or file, locked before it is attached: there is no moment at
 * which it could be written to. Recursive, because what is mounted below is locked to it. */
static int copy_tree(int dir, const char *source, uint64_t attrs, struct cl_err *err)
{
    cl_close_auto int tree = open_tree(
        dir, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);

    if (tree < 0)
        return cl_fail(err, CL_E_SYS, "bind %s", source);
    if (set_attrs(tree, AT_RECURSIVE, LOCKED_ATTRS | attrs, err) < 0)
        return -1;
    return cl_take_fd(&tree);
}

/* What the policy names is a directory by that very name: a link would show another one. Whose
 * it is was checked by cloched, to whom alone it is visible. */
static int open_source(const char *path, struct cl_err *err)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                            .resolve = RESOLVE_NO_SYMLINKS };
    int dir = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

    return dir < 0 ? cl_fail(err, CL_E_SYS, "open %s", path) : dir;
}

static int bind_dir(int root, int source, const char *target, uint64_t attrs,
                    struct cl_err *err)
{
    cl_close_auto int tree = copy_tree(source, "", attrs, err);
    cl_close_auto int at = tree < 0 ? -1 : make_dir(root, target, err);

    if (at < 0)
        return -1;
    return attach(tree, at, err);
}

static int bind_policy(int root, const struct cl_policy *policy, struct cl_err *err)
{
    const char *source = NULL;
    const char *target = NULL;

    while ((source = cl_policyview_text(policy, &policy->binds, target))) {
        target = cl_policyview_text(policy, &policy->binds, source);
        if (!target)
            return cl_fail(err, CL_E_INPUT, "a bind without a target");
        cl_close_auto int dir = open_source(source, err);
        if (dir < 0 || bind_dir(root, dir, target, MOUNT_ATTR_NOEXEC, err) < 0)
            return cl_err_context(err, "bind %s", target);
    }
    return 0;
}

/* ------------------------------------------------------------------------- tier late_imports */

const char *const cl_trees_python[] = { "/usr/lib/python3.11", "/usr/lib/python3", NULL };
const char *const cl_trees_libraries[] = { "/usr/lib/x86_64-linux-gnu", NULL };

/* What the extension modules of Debian's stdlib, numpy and pandas need, besides what is loaded.
 * Not the whole directory: it brings 13,000 files and setgid programs. A library that is not
 * installed has no module that needs it; a module that needs another one has to be preloaded. */
static const char *const libraries[] = {
    "libblas.so.3",     "libbz2.so.1.0",    "libcom_err.so.2",     "libcrypt.so.1",
    "libcrypto.so.3",   "libdb-5.3.so",     "libexpat.so.1",       "libffi.so.8",
    "libgcc_s.so.1",    "libgfortran.so.5", "libgssapi_krb5.so.2", "libk5crypto.so.3",
    "libkeyutils.so.1", "libkrb5.so.3",     "libkrb5support.so.0", "liblapack.so.3",
    "liblzma.so.5",     "libm.so.6",        "libncursesw.so.6",    "libnsl.so.2",
    "libpanelw.so.6",   "libquadmath.so.0", "libreadline.so.8",    "libresolv.so.2",
    "libsqlite3.so.0",  "libssl.so.3",      "libstdc++.so.6",      "libtinfo.so.6",
    "libtirpc.so.3",    "libuuid.so.1",     "libz.so.1",
};

/* Binds one file. The name may be a chain of links (Debian's BLAS goes through
 * /etc/alternatives); the source is resolved on the host, the target is a plain file. */
static int bind_library(int dir, const char *name, struct cl_err *err)
{
    char source[COMPONENT_MAX];

    snprintf(source, sizeof(source), "%s/%s", cl_trees_libraries[0], name);
    if (access(source, F_OK) < 0)
        return 0;
    cl_close_auto int tree = copy_tree(AT_FDCWD, source, 0, err);
    if (tree < 0)
        return -1;
    cl_close_auto int made = openat(dir, name, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);
    if (made < 0)
        return cl_fail(err, CL_E_SYS, "make %s", name);
    return attach(tree, made, err);
}

static int bind_python(int root, struct cl_err *err)
{
    cl_close_auto int dir = make_dir(root, cl_trees_libraries[0], err);

    if (dir < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(libraries); i++) {
        if (bind_library(dir, libraries[i], err) < 0)
            return cl_err_context(err, "library %s", libraries[i]);
    }
    for (const char *const *path = cl_trees_python; *path; path++) {
        cl_close_auto int source = open_source(*path, err);
        if (source < 0 || bind_dir(root, source, *path, 0, err) < 0)
            return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------------------------- the move */

/* What is made here belongs to the zygote, and workers have to get through it. */
static int fill(int root, const struct cl_policy *policy, struct cl_err *err)
{
    if (policy->files_bytes > 0) {
        cl_close_auto int tmp = make_dir(root, "/tmp", err); /* each worker mounts its own */

        if (tmp < 0)
            return -1;
    }
    if ((policy->tiers & CL_TIER_LATE_IMPORTS) && bind_python(root, err) < 0)
        return -1;
    return bind_policy(root, policy, err);
}

/* With both paths ".", the old root ends up on top of the new one and is taken off again: no
 * directory for it is needed inside. */
static int move_into(int root, struct cl_err *err)
{
    if (fchdir(root) < 0)
        return cl_fail(err, CL_E_SYS, "chdir to the new root");
    if (syscall(SYS_pivot_root, ".", ".") != 0)
        return cl_fail(err, CL_E_SYS, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0)
        return cl_fail(err, CL_E_SYS, "detach the old root");
    if (chdir("/") < 0)
        return cl_fail(err, CL_E_SYS, "chdir /");
    return 0;
}

int cl_enter_tree(const struct cl_policy *policy, struct cl_err *err)
{
    static const char host[] = "jail";

    /* Whatever the caller was in: no mount of this file is ever made in a shared namespace. */
    if (unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
        return cl_fail(err, CL_E_SYS, "unshare mounts");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "private mounts");
    cl_close_auto int root = make_root(err);
    if (root < 0)
        return -1;
    if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return cl_fail(err, CL_E_SYS, "attach the new root");
    mode_t kept = umask(022);
    int filled = fill(root, policy, err);

    umask(kept);
    if (filled < 0 || move_into(root, err) < 0)
        return -1;
    if (set_attrs(root, 0, LOCKED_ATTRS, err) < 0)
        return -1;
    if (sethostname(host, sizeof(host) - 1) < 0)
        return cl_fail(err, CL_E_SYS, "sethostname");
    return 0;
}
