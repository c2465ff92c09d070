/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what root keeps for Cloche, and looks whose every step on the way is.
 * Runs in: cloche-loader.
 * Trusts: policyc for plain paths (absolute, no dots), as far as openat and O_NOFOLLOW go.
 */
#include "sandbox/load/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { PART_MAX = 256 };

static int open_step(int above, const char *name, const char *path, size_t length,
                     struct cl_err *err)
{
    int dir = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat found;

    if (dir >= 0)
        return dir;
    if (errno == ENOTDIR && fstatat(above, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(found.st_mode))
        return cl_fail(err, CL_E_DENIED, "%.*s is a symbolic link", (int)length, path);
    return cl_fail(err, CL_E_SYS, "open %.*s", (int)length, path);
}

int cl_owned_check(const char *path, struct cl_err *err)
{
    cl_close_auto int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *part = path;

    while (*part) {
        char name[PART_MAX];
        struct stat found;
        size_t length = strcspn(++part, "/");

        if (length == 0 || length >= sizeof(name))
            return cl_fail(err, CL_E_INPUT, "%s is not a plain path", path);
        memcpy(name, part, length);
        name[length] = '\0';
        part += length;
        int next = open_step(dir, name, path, (size_t)(part - path), err);
        if (next < 0)
            return -1;
        cl_own_close(&dir);
        dir = next;
        snprintf(name, sizeof(name), "%.*s", (int)(part - path), path);
        /* In a sticky directory (/tmp) others may make files, but not replace what is root's: good
         * enough for the way, not for what is shown. */
        if (cl_file_check_owner(dir, name, *part != '\0', &found, err) < 0)
            return -1;
    }
    return 0;
}

int cl_owned_dir(int above, const char *name, struct cl_err *err)
{
    cl_close_auto int dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat found;

    if (dir < 0)
        return cl_fail(err, CL_E_SYS, "open %s", name);
    if (cl_file_check_owner(dir, name, false, &found, err) < 0)
        return -1;
    return cl_take_fd(&dir);
}

int cl_owned_file(int dir, const char *folder, const char *name, struct stat *found,
                  struct cl_err *err)
{
    /* A link may lead to a file below (a ConfigMap of Kubernetes is made of them), not out. */
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    cl_close_auto int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s/%s", folder, name);
    if (cl_file_check_owner(fd, name, false, found, err) < 0)
        return -1;
    if (!S_ISREG(found->st_mode))
        return cl_fail(err, CL_E_DENIED, "%s is not a regular file", name);
    return cl_take_fd(&fd);
}
