/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads whole files of policies and tenants, capped before anything is kept.
 * Runs in: cloche-policyc.
 * Trusts: whoever opened the file to have checked its owner.
 */
#include "policies/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/load.h"
#include "sandbox/base/own.h"

static const char suffix[] = ".yaml";

/* One byte more than allowed is read, so that a file that is too long shows. */
static ssize_t read_all(int fd, char *text, size_t size, struct cl_err *err)
{
    size_t length = 0;

    while (length < size) {
        ssize_t got = pread(fd, text + length, size - length, (off_t)length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cl_fail(err, CL_E_SYS, "read");
        if (got == 0)
            break;
        length += (size_t)got;
    }
    return (ssize_t)length;
}

/* The text, owned by the caller and with a NUL behind it, and its length; NULL when it can't be read. */
static char *take_text(const char *path, int fd, size_t most, size_t *length,
                       struct cl_err *err)
{
    const size_t size = most + 1;
    cl_free_auto char *text = malloc(size + 1);
    struct stat seen;

    CL_CHECK(text);
    if (fstat(fd, &seen) < 0) {
        cl_fail(err, CL_E_SYS, "%.120s", path);
        return NULL;
    }
    if (!S_ISREG(seen.st_mode)) {
        cl_fail(err, CL_E_INPUT, "%.120s: not a regular file", path);
        return NULL;
    }
    ssize_t got = read_all(fd, text, size, err);
    if (got < 0) {
        cl_err_context(err, "%.120s", path);
        return NULL;
    }
    *length = (size_t)got;
    text[got] = '\0';
    return cl_take_ptr(&text);
}

static int open_path(const char *path, struct cl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    return fd < 0 ? cl_fail(err, CL_E_SYS, "%.120s", path) : fd;
}

int cl_input_fd(struct cl_set *set, const char *name, const char *path, int fd,
                struct cl_report *report, struct cl_err *err)
{
    size_t length = 0;
    cl_free_auto char *text = take_text(path, fd, CL_LOAD_BYTES_MAX, &length, err);

    if (!text)
        return -1;
    cl_set_add(set, name, path, text, length, report);
    return 0;
}

char *cl_input_text(const char *path, size_t *length, struct cl_err *err)
{
    cl_close_auto int fd = open_path(path, err);

    return fd < 0 ? NULL : take_text(path, fd, CL_LOAD_TENANTS_BYTES_MAX, length, err);
}

struct cl_tenants *cl_input_tenants(const char *path, int fd, struct cl_report *report,
                                    struct cl_err *err)
{
    size_t length = 0;
    cl_free_auto char *text = take_text(path, fd, CL_LOAD_TENANTS_BYTES_MAX, &length, err);

    return text ? cl_tenants_read(path, text, length, report) : NULL;
}

struct cl_settings *cl_input_settings(const char *path, int fd, struct cl_report *report,
                                      struct cl_err *err)
{
    size_t length = 0;
    cl_free_auto char *text = take_text(path, fd, CL_LOAD_BYTES_MAX, &length, err);

    return text ? cl_settings_read(path, text, length, report) : NULL;
}

struct cl_doc *cl_input_doc(const char *path, struct cl_report *report, struct cl_err *err)
{
    cl_close_auto int fd = open_path(path, err);
    size_t length = 0;

    if (fd < 0)
        return NULL;
    cl_free_auto char *text = take_text(path, fd, CL_LOAD_BYTES_MAX, &length, err);
    return text ? cl_load_parse("", path, text, length, report) : NULL;
}

int cl_input_path(struct cl_set *set, const char *path, struct cl_report *report,
                  struct cl_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    size_t length = strlen(file);
    char name[CL_NAME_MAX];

    if (length < sizeof(suffix) || strcmp(file + length - strlen(suffix), suffix) != 0 ||
        length - strlen(suffix) >= sizeof(name))
        return cl_fail(err, CL_E_INPUT, "%.120s: a policy file is called <name>.yaml", path);
    memcpy(name, file, length - strlen(suffix));
    name[length - strlen(suffix)] = '\0';

    cl_close_auto int fd = open_path(path, err);
    if (fd < 0)
        return -1;
    return cl_input_fd(set, name, path, fd, report, err);
}
