/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the one ordered table of steps that turns a clone of the zygote into a jailed worker.
 * Runs in: a worker, before any caller's byte.
 * Trusts: the zygote that filled the jail, and the checked policy.
 */
#include "sandbox/enter/enter.h"

#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

struct step {
    const char *name;
    int (*run)(struct cl_jail *jail, struct cl_err *err);
};

/* The order is the security argument:
 *
 *   cgroup    first, so that every page and every tick from here on is the worker's own charge;
 *             needs the open cgroup files and the zygote's ids.
 *   mounts    needs CAP_SYS_ADMIN over the user namespace, which `ids` gives up for ever.
 *   rlimits   before `ids`: NPROC is counted per uid, and some hard limits need a capability to
 *             set; after `mounts`, because FSIZE and NOFILE would bound that step too.
 *   ids       from here on there is no capability, no way to gain one (no_new_privs, locked
 *             securebits, empty bounding set), and no uid that another worker has.
 *   landlock  needs no_new_privs; opens its directories itself, so it comes before `fds`. As a
 *             third layer it holds even where a mount or an id was wrong.
 *   fds       after the last step that opens anything; takes the status socket away, so what
 *             is left of the world is the job socket and an empty pipe.
 *   seccomp   last: the filter refuses the calls that all the others needed.
 */
static const struct step steps[] = {
    { "cgroup", cl_enter_cgroup },     { "mounts", cl_enter_mounts },
    { "rlimits", cl_enter_rlimits },   { "ids", cl_enter_ids },
    { "landlock", cl_enter_landlock }, { "fds", cl_enter_fds },
    { "seccomp", cl_enter_seccomp },
};

static void report(const struct cl_jail *jail, const struct step *step, struct cl_err *err)
{
    struct cl_msg_failed failed = { .spare = jail->spare };
    struct cl_err ignored = CL_ERR_INIT;

    if (jail->status_fd < 0)
        return;
    cl_err_context(err, "enter %s", step->name);
    failed.err = *err;
    cl_msg_send(jail->status_fd, CL_M_FAILED, &failed, NULL, 0, &ignored);
}

void cl_enter(struct cl_jail *jail)
{
    struct cl_err err = CL_ERR_INIT;

    for (size_t i = 0; i < CL_COUNT(steps); i++) {
        if (steps[i].run(jail, &err) < 0) {
            report(jail, &steps[i], &err);
            _exit(CL_ENTER_EXIT + (int)i);
        }
    }
}

const char *cl_enter_step_name(int status)
{
    int index = status - CL_ENTER_EXIT;

    return index >= 0 && (size_t)index < CL_COUNT(steps) ? steps[index].name : NULL;
}
