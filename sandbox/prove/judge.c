/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says whether an answer is that of a jail which holds.
 * Runs in: cloche-prover.
 * Trusts: the kernel's errno and signals as the probed workers report them: no caller's code has
 * run in any of them.
 */
#include "sandbox/prove/judge.h"

#include <signal.h>

static const char *judge_closed(const struct cl_outcome *outcome)
{
    if (outcome->has_died)
        return outcome->status == SIGSYS ? NULL : "the worker died, but not by the filter";
    if (outcome->sys == 0)
        return "the call succeeded";
    return cl_probes_accept(CL_PROBE_CLOSED, outcome->sys) ? NULL
                                                           : "the call reached the kernel";
}

static const char *judge_open(const struct cl_outcome *outcome)
{
    if (outcome->has_died)
        return outcome->status == SIGSYS ? "the filter ended the worker" : NULL;
    return cl_probes_accept(CL_PROBE_OPEN, outcome->sys) ? NULL : "it is refused all the same";
}

const char *cl_judge_probe(enum cl_probe_meaning meaning, const struct cl_outcome *outcome)
{
    switch (meaning) {
    case CL_PROBE_OPEN:
        return judge_open(outcome);
    case CL_PROBE_SEEN:
        return !outcome->has_died && outcome->sys == 0 ? NULL : "it can't be opened";
    case CL_PROBE_LOCKED:
    case CL_PROBE_ABSENT:
        if (!outcome->has_died && !cl_probes_accept(meaning, outcome->sys))
            return meaning == CL_PROBE_LOCKED ? "it is not read-only" : "it is there";
        return NULL;
    default:
        return judge_closed(outcome);
    }
}

const char *cl_judge_jail(const struct cl_frame_probed *seen, uint32_t uid)
{
    if (seen->pid != 1)
        return "it is not alone in a pid namespace";
    if (seen->uid != uid || seen->gid != uid || uid == 0)
        return "it has not the ids of its slot";
    if (seen->caps != 0)
        return "it has capabilities";
    if (seen->no_new_privs != 1)
        return "it could gain privileges";
    return seen->fd_count == CL_JOB_FD + 1 ? NULL
                                           : "it has other descriptors than its own four";
}
