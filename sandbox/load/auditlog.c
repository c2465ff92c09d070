/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the files of the audit log in the state directory, for appending or for a look at their end,
 * and passes them on to the API by way of cloched.
 * Runs in: cloche-loader. It never reads a byte of them.
 * Trusts: owner, mode and number of names of a file as opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/load/loader.h"

static const char log_name[] = "audit.log";
static const char before_name[] = "audit.log.1"; /* what logrotate calls it */

static int open_file(int state, const char *name, int flags, struct stat *found,
                     struct cl_err *err)
{
    cl_close_auto int fd =
        openat(state, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0 || fstat(fd, found) < 0)
        return cl_fail(err, CL_E_SYS, "open %s in the state directory", name);
    if (!S_ISREG(found->st_mode) || found->st_uid != 0 || found->st_nlink != 1 ||
        (found->st_mode & 0137))
        return cl_fail(err, CL_E_DENIED,
                       "%s in the state directory has to be a file of root with mode 0600 or "
                       "0640, and one name",
                       name);
    return cl_take_fd(&fd);
}

/* Whoever has it open holds the lock: the API, as long as it lives. */
static int open_log(const struct cl_loader *loader, struct stat *found, struct cl_err *err)
{
    cl_close_auto int fd =
        open_file(loader->state, log_name, O_WRONLY | O_APPEND | O_CREAT, found, err);

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return cl_fail(err, CL_E_BUSY, "%s in the state directory is in use", log_name);
    return cl_take_fd(&fd);
}

static void tell(const struct cl_loader *loader, enum cl_audit_kind kind, int fd,
                 const char *why)
{
    struct cl_msg_audit msg = { .kind = kind };

    msg.is_required = strcmp(loader->audit, "required") == 0;
    snprintf(msg.why, sizeof(msg.why), "%s", why);
    cl_loader_tell(CL_M_LOG, &msg, fd);
}

/* The end of the log, or of the file before when there is nothing in it yet. */
static int tell_end(struct cl_loader *loader, const struct stat *log, struct cl_err *err)
{
    struct stat found;
    bool is_before = log->st_size == 0 &&
                     faccessat(loader->state, before_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    cl_close_auto int fd =
        open_file(loader->state, is_before ? before_name : log_name, O_RDONLY, &found, err);

    if (fd < 0)
        return -1;
    tell(loader, is_before ? CL_AUDIT_BEFORE : CL_AUDIT_TAIL, fd, "");
    return 0;
}

static bool is_off(const struct cl_loader *loader)
{
    return strcmp(loader->audit, "off") == 0;
}

int cl_auditlog_check(const struct cl_loader *loader, struct cl_err *err)
{
    struct stat found;

    if (strcmp(loader->audit, "on") != 0 && strcmp(loader->audit, "required") != 0 &&
        !is_off(loader))
        return cl_fail(err, CL_E_INPUT, "--audit %s: on, required or off", loader->audit);
    if (is_off(loader) || faccessat(loader->state, log_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    cl_close_auto int fd = open_file(loader->state, log_name, O_WRONLY | O_APPEND, &found, err);
    return fd < 0 ? -1 : 0;
}

void cl_auditlog_greet(struct cl_loader *loader)
{
    struct cl_err err = CL_ERR_INIT;
    struct stat log;
    cl_close_auto int fd = is_off(loader) ? -1 : open_log(loader, &log, &err);

    if (fd >= 0 && tell_end(loader, &log, &err) == 0) {
        loader->audit_number = log.st_ino;
        tell(loader, CL_AUDIT_LOG, fd, "");
        return;
    }
    tell(loader, CL_AUDIT_NONE, STDIN_FILENO, err.text);
}

/* A file that was put aside, or one put in its place, is found by its number. One with lines in it
 * is not the API's to get while it runs. */
void cl_auditlog_look(struct cl_loader *loader)
{
    struct cl_err err = CL_ERR_INIT;
    struct stat found;

    if (is_off(loader) || (fstatat(loader->state, log_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
                           (found.st_ino == loader->audit_number || found.st_size > 0)))
        return;
    cl_close_auto int fd = open_log(loader, &found, &err);
    if (fd >= 0 && found.st_size == 0) {
        loader->audit_number = found.st_ino;
        tell(loader, CL_AUDIT_NEXT, fd, "");
    } else if (err.kind != CL_E_BUSY) { /* busy: the API has it already */
        cl_log(CL_ERROR, "auditlog.next", "error=\"%s\"", err.text);
    }
}
