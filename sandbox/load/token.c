/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token of the tenant `local`: made once, opened for the API at every load.
 * Runs in: cloche-loader.
 * Trusts: the state directory, which is root's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/load/loader.h"

enum { TOKEN_BYTES = 32 };

static int make_token(int dir, struct cl_err *err)
{
    uint8_t bytes[TOKEN_BYTES];
    char text[4 + 2 * TOKEN_BYTES + 2] = "clt_";
    cl_close_auto int fd = -1;

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return cl_fail(err, CL_E_SYS, "getrandom");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(text + 4 + 2 * i, 3, "%02x", bytes[i]);
    strcat(text, "\n");

    fd = openat(dir, "local.token.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0 || cl_file_write_all(fd, text, strlen(text), err) < 0 || fsync(fd) < 0 ||
        renameat(dir, "local.token.new", dir, "local.token") < 0 || fsync(dir) < 0)
        return cl_fail(err, CL_E_SYS, "the state directory is not writable: write local.token");
    return 0;
}

int cl_sources_open_token(int state, struct cl_err *err)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    struct stat found;

    if (faccessat(state, "local.token", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        make_token(state, err) < 0)
        return -1;
    cl_close_auto int fd = openat(state, "local.token", flags);
    if (fd < 0 || fstat(fd, &found) < 0)
        return cl_fail(err, CL_E_SYS, "open local.token in the state directory");
    if (!S_ISREG(found.st_mode) || found.st_uid != 0 || (found.st_mode & 077))
        return cl_fail(err, CL_E_DENIED, "local.token has to be a file of root with mode 0600");
    return cl_take_fd(&fd);
}
