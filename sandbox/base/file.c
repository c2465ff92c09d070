/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes small files below a directory fd: cgroups, /proc, tokens.
 * Runs in: every process.
 * Trusts: the directory fd; neither the content nor the kind of what a name leads to.
 */
#include "sandbox/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"

enum { NUMBER_MAX = 24 }; /* 20 digits, newline, NUL */

/* Reads until the end or until the room is used up. */
static ssize_t read_full(int fd, char *room, size_t size)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = read(fd, room + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        length += (size_t)got;
    }

    return (ssize_t)length;
}

ssize_t cl_file_get(int dir, const char *name, char *text, size_t size, struct cl_err *err)
{
    cl_close_auto int fd = -1;

    CL_CHECK(size > 0);
    text[0] = '\0';
    /* O_NONBLOCK: a FIFO under that name must not hang the opener. */
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s", name);

    ssize_t length = read_full(fd, text, size);
    if (length < 0) {
        text[0] = '\0';
        return cl_fail(err, CL_E_SYS, "read %s", name);
    }
    if ((size_t)length == size) {
        text[0] = '\0';
        return cl_fail(err, CL_E_LIMIT, "%s is longer than %zu bytes", name, size - 1);
    }

    text[length] = '\0';
    return length;
}

/* Decimal digits only, no sign, no space. Returns the first byte behind them, NULL if there are
 * none or too many. */
static const char *parse_u64(const char *text, uint64_t *value)
{
    uint64_t sum = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum))
            return NULL;
    }
    if (at == text)
        return NULL;

    *value = sum;
    return at;
}

int cl_file_get_u64(int dir, const char *name, uint64_t *value, struct cl_err *err)
{
    char text[NUMBER_MAX];
    uint64_t parsed;

    if (cl_file_get(dir, name, text, sizeof(text), err) < 0)
        return -1;
    const char *end = parse_u64(text, &parsed);
    if (!end || (*end != '\0' && strcmp(end, "\n") != 0))
        return cl_fail(err, CL_E_INPUT, "%s holds no number", name);

    *value = parsed;
    return 0;
}

int cl_file_put(int dir, const char *name, const char *text, struct cl_err *err)
{
    cl_close_auto int fd = -1;
    size_t length = strlen(text);
    ssize_t wrote;

    fd = openat(dir, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s for writing", name);

    do {
        wrote = write(fd, text, length);
    } while (wrote < 0 && errno == EINTR);
    if (wrote < 0)
        return cl_fail(err, CL_E_SYS, "write %s", name);
    if ((size_t)wrote != length) {
        errno = EIO;
        return cl_fail(err, CL_E_SYS, "write %s: only %zd of %zu bytes", name, wrote, length);
    }

    return 0;
}

int cl_file_put_u64(int dir, const char *name, uint64_t value, struct cl_err *err)
{
    char text[NUMBER_MAX];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return cl_file_put(dir, name, text, err);
}

int cl_file_dir(int dir, const char *name, mode_t make_mode, struct cl_err *err)
{
    int fd;

    if (make_mode != 0 && mkdirat(dir, name, make_mode) < 0 && errno != EEXIST)
        return cl_fail(err, CL_E_SYS, "make directory %s", name);
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open directory %s", name);

    return fd;
}

int cl_file_keyed_u64(const char *text, const char *key, uint64_t *value)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n')
            line++;
        if (strncmp(line, key, length) != 0 || line[length] != ' ')
            continue;

        const char *end = parse_u64(line + length + 1, value);
        return end && (*end == '\n' || *end == '\0') ? 0 : -1;
    }
    return -1;
}

int cl_file_check_owner(int fd, const char *name, bool is_sticky, struct stat *found,
                        struct cl_err *err)
{
    if (fstat(fd, found) < 0)
        return cl_fail(err, CL_E_SYS, "%s", name);
    if (found->st_uid != geteuid())
        return cl_fail(err, CL_E_DENIED, "%s belongs to uid %u, not to root", name,
                       (unsigned)found->st_uid);
    if ((found->st_mode & 022) && !(is_sticky && (found->st_mode & S_ISVTX)))
        return cl_fail(err, CL_E_DENIED, "%s is writable by its group or by others", name);
    return 0;
}

int cl_file_write_all(int fd, const void *bytes, size_t length, struct cl_err *err)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t wrote = write(fd, at, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0 && (errno == EPIPE || errno == ECONNRESET))
            return cl_fail(err, CL_E_LOST, "the reader is gone");
        if (wrote < 0)
            return cl_fail(err, CL_E_SYS, "write");
        at += wrote;
        length -= (size_t)wrote;
    }

    return 0;
}
