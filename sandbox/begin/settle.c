/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens cloche.yaml and has a policyc of its own compile it.
 * Runs in: cloche-begin, as root with all that it was given.
 * Trusts: owner and mode of the file; of policyc nothing but what passes cl_settings_open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"
#include "sandbox/begin/begin.h"
#include "sandbox/begin/oneshot.h"
#include "sandbox/load/owned.h"
#include "sandbox/load/settings.h"

static const char file_name[] = "cloche.yaml";

/* 1: another one follows. */
static int take(const union cl_msg_any *msg, int fd, unsigned *problems,
                const struct cl_settings_file **settings, struct cl_err *err)
{
    if (msg->head.type == CL_M_REFUSED) {
        fprintf(stderr, "cloched: %s\n", msg->refused.text);
        ++*problems;
        return 1;
    }
    if (msg->head.type == CL_M_DONE)
        return 0;
    if (msg->compiled.kind != CL_SOURCE_SETTINGS || *settings)
        return cl_fail(err, CL_E_LOST, "cloche-policyc answered what nobody asked");
    *settings = cl_settings_open(fd, err);
    return *settings ? 1 : -1;
}

static int hear(int policyc, const struct cl_settings_file **settings, struct cl_err *err)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count;
    unsigned problems = 0;
    int more = 1;

    while (more == 1) {
        fd_count = 0;
        const int got =
            cl_msg_recv(policyc, CL_WAY_POLICYC_TO_LOADER, &msg, fds, &fd_count, err);
        if (got <= 0)
            return cl_fail(err, CL_E_LOST, "cloche-policyc ended, or took longer than %d s",
                           CL_ONESHOT_WAIT_S);
        more = take(&msg, fds[0], &problems, settings, err);
        for (size_t i = 0; i < fd_count; i++)
            cl_own_close(&fds[i]);
    }
    if (problems > 0)
        return cl_fail(err, CL_E_INPUT, "%u problem%s in %s", problems,
                       problems == 1 ? "" : "s", file_name);
    return more < 0 || *settings ? more : cl_fail(err, CL_E_LOST, "no settings were made");
}

static int compile(int file, const struct cl_settings_file **settings, struct cl_err *err)
{
    static const char *const policyc[] = { "cloche-policyc", "serve", NULL };
    struct cl_msg_source source = { .kind = CL_SOURCE_SETTINGS, .name = "cloche" };
    struct cl_msg all;
    pid_t pid = -1;
    cl_close_auto int child = cl_oneshot_start(policyc, &pid, err);
    int done = -1;

    if (child >= 0 && cl_msg_send(child, CL_M_SOURCE, &source, &file, 1, err) == 0 &&
        cl_msg_send(child, CL_M_COMPILE, &all, NULL, 0, err) == 0)
        done = hear(child, settings, err);
    cl_oneshot_end(pid);
    return done;
}

int cl_settle_read(const char *config, const struct cl_settings_file **settings,
                   struct cl_err *err)
{
    struct stat found;
    cl_close_auto int dir = cl_owned_dir(AT_FDCWD, config, err);

    if (dir < 0)
        return -1;
    if (faccessat(dir, file_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0;
    cl_close_auto int file = cl_owned_file(dir, "the configuration", file_name, &found, err);
    return file < 0 ? -1 : compile(file, settings, err);
}

/* Started as the API will be, but nobody's: what it cannot serve is said now, not by a service that
 * is up and does not answer. */
int cl_settle_check_pair(const struct cl_settings_file *settings, struct cl_err *err)
{
    static const char *const api[] = { "cloche-api", "--check-pair", NULL };
    struct cl_edits unwatched = { .watch = { .fd = -1 } };
    CL_AUTO(cl_pair_fini) struct cl_pair pair = CL_PAIR_INIT;
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX], got = -1;
    size_t fd_count = 0;
    pid_t pid = -1;

    if (cl_pair_load(&pair, settings, &unwatched, err) < 0)
        return -1;
    cl_close_auto int child = cl_oneshot_start(api, &pid, err);
    if (child >= 0 && cl_msg_send(child, CL_M_TLS, &pair.sizes, &pair.fd, 1, err) == 0)
        got = cl_msg_recv(child, CL_WAY_CLOCHED_TO_API, &msg, fds, &fd_count, err);
    const int status = cl_oneshot_end(pid);
    if (got == 0 && status == 0)
        return 0;
    if (got == 0 && status == 1)
        return cl_fail(err, CL_E_INPUT, "%s", ""); /* it has said why */
    return cl_fail(err, CL_E_LOST, "the files of tls could not be checked");
}
