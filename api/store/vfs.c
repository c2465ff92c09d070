/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of SQLite's unix VFS, on names of one directory.
 * Runs in: cloche-api, on the store thread.
 * Trusts: nothing; what SQLite asks for beyond plain names is refused.
 */
#include "api/store/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/own.h"

static int store_dir = -1;

/* "." is the directory itself, which is opened to write it to the disk. */
static int check(const char *name)
{
    if (!strchr(name, '/') && strcmp(name, "..") != 0 && store_dir >= 0)
        return 0;
    errno = EACCES;
    return -1;
}

static int do_open(const char *name, int flags, int mode)
{
    if (check(name) < 0)
        return -1;
    return openat(store_dir, name, flags | O_NOFOLLOW | O_CLOEXEC, mode & 0600);
}

static int do_access(const char *name, int mode)
{
    return check(name) < 0 ? -1 : faccessat(store_dir, name, mode, 0);
}

static int do_stat(const char *name, struct stat *found)
{
    return check(name) < 0 ? -1 : fstatat(store_dir, name, found, AT_SYMLINK_NOFOLLOW);
}

static int do_unlink(const char *name)
{
    return check(name) < 0 ? -1 : unlinkat(store_dir, name, 0);
}

static char *do_getcwd(char *path, size_t size)
{
    (void)path;
    (void)size;
    errno = EACCES;
    return NULL;
}

static int full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* Its own opens /dev/urandom. */
static int randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    randombytes_buf(out, (size_t)size);
    return size;
}

static const struct {
    const char *name;
    sqlite3_syscall_ptr call;
} calls[] = {
    { "open", (sqlite3_syscall_ptr)do_open },     { "access", (sqlite3_syscall_ptr)do_access },
    { "stat", (sqlite3_syscall_ptr)do_stat },     { "lstat", (sqlite3_syscall_ptr)do_stat },
    { "unlink", (sqlite3_syscall_ptr)do_unlink }, { "getcwd", (sqlite3_syscall_ptr)do_getcwd },
};

static int set_up(struct cl_err *err)
{
    static sqlite3_vfs own;
    sqlite3_vfs *unix_vfs;

    /* Without a mutex of its own: the store is one thread's. */
    if (sqlite3_config(SQLITE_CONFIG_MULTITHREAD) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK ||
        sqlite3_initialize() != SQLITE_OK)
        return cl_fail(err, CL_E_SYS, "start SQLite");
    unix_vfs = sqlite3_vfs_find("unix");
    if (!unix_vfs)
        return cl_fail(err, CL_E_SYS, "SQLite has no files");
    for (size_t i = 0; i < CL_COUNT(calls); i++) {
        if (unix_vfs->xSetSystemCall(unix_vfs, calls[i].name, calls[i].call) != SQLITE_OK)
            return cl_fail(err, CL_E_SYS, "SQLite has no call %s to replace", calls[i].name);
    }
    own = *unix_vfs;
    own.zName = CL_STORE_VFS;
    own.xFullPathname = full_path;
    own.xRandomness = randomness;
    own.pNext = NULL;
    return sqlite3_vfs_register(&own, 0) == SQLITE_OK ? 0
                                                      : cl_fail(err, CL_E_SYS, "set up SQLite");
}

int cl_store_vfs_set(int dir, struct cl_err *err)
{
    static int is_set;

    if (!is_set && set_up(err) < 0)
        return -1;
    is_set = 1;
    store_dir = dir;
    return 0;
}
