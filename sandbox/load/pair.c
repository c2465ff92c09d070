/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate and key that the service shows, from root's files into one sealed file in memory.
 * Runs in: cloche-loader, which has the kernel copy them and never reads a byte of them.
 * Trusts: owner and mode of each file and of the way to it, as opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "sandbox/base/own.h"
#include "sandbox/base/sealed.h"
#include "sandbox/load/owned.h"
#include "sandbox/load/settings.h"

enum { PEM_MAX = 256 << 10 };

static const struct part {
    const char *key;
    mode_t others; /* bits that its mode may not have */
    const char *who;
    size_t size; /* offset of its length in the message */
} parts[] = {
    { "tls.certificate", 022, "writable", offsetof(struct cl_msg_tls, certificate_bytes) },
    { "tls.key", 077, "readable", offsetof(struct cl_msg_tls, key_bytes) },
    { "tls.client_ca", 022, "writable", offsetof(struct cl_msg_tls, client_ca_bytes) },
};

static int check(int fd, const struct part *part, const char *path, struct cl_err *err)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        return cl_fail(err, CL_E_SYS, "%s", path);
    if (!S_ISREG(found.st_mode))
        return cl_fail(err, CL_E_DENIED, "%s is not a regular file", path);
    if (found.st_uid != geteuid())
        return cl_fail(err, CL_E_DENIED, "%s belongs to uid %u, not to root", path,
                       (unsigned)found.st_uid);
    if (found.st_mode & part->others)
        return cl_fail(err, CL_E_DENIED, "%s is %s by its group or by others", path, part->who);
    if (found.st_size == 0 || found.st_size > PEM_MAX)
        return cl_fail(err, CL_E_LIMIT, "%s has %lld bytes, 1 to %d are possible", path,
                       (long long)found.st_size, PEM_MAX);
    return 0;
}

/* Where only root can make a link, it may lead anywhere: those who renew certificates do so by
 * changing links. */
static int open_part(const struct part *part, const char *path, int *place,
                     struct cl_edits *edits, struct cl_err *err)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    if (cl_owned_check(folder, err) < 0)
        return -1;
    if (edits->watch.fd > 0) /* before it is read: what comes after is heard of */
        *place = cl_edits_watch(edits, *folder ? folder : "/", -1);
    cl_close_auto int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s", path);
    return check(fd, part, path, err) < 0 ? -1 : cl_take_fd(&fd);
}

static int copy(int to, int from, uint32_t *bytes, struct cl_err *err)
{
    ssize_t got;

    while ((got = sendfile(to, from, NULL, PEM_MAX)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cl_fail(err, CL_E_SYS, "copy");
        *bytes += (uint32_t)got;
        if (*bytes > PEM_MAX)
            return cl_fail(err, CL_E_LIMIT, "it grows");
    }
    return 0;
}

static int take_part(struct cl_pair *pair, size_t i, const char *path, struct cl_edits *edits,
                     struct cl_err *err)
{
    cl_close_auto int fd = open_part(&parts[i], path, &pair->places[i], edits, err);
    uint32_t *bytes = (uint32_t *)(void *)((char *)&pair->sizes + parts[i].size);

    if (fd < 0 || copy(pair->fd, fd, bytes, err) < 0)
        return cl_err_context(err, "cloche.yaml: %s", parts[i].key);
    return 0;
}

int cl_pair_load(struct cl_pair *pair, const struct cl_settings_file *settings,
                 struct cl_edits *edits, struct cl_err *err)
{
    *pair = (struct cl_pair)CL_PAIR_INIT;
    pair->fd = memfd_create("cloche-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (pair->fd < 0)
        return cl_fail(err, CL_E_SYS, "make a file in memory");
    for (size_t i = 0; i < CL_COUNT(parts); i++) {
        const char *path = cl_settings_text(settings, parts[i].key);
        if (*path && take_part(pair, i, path, edits, err) < 0)
            return -1;
    }
    return cl_seal(pair->fd, "pair", err);
}

void cl_pair_fini(struct cl_pair *pair)
{
    cl_own_close(&pair->fd);
}

bool cl_pair_is_at(const struct cl_pair *pair, int place)
{
    for (size_t i = 0; i < CL_COUNT(pair->places); i++) {
        if (pair->places[i] == place)
            return true;
    }
    return false;
}
