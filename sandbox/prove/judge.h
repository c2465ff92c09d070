/* SPDX-License-Identifier: Apache-2.0 */
/* What the answer to one probe means; pure. NULL: as it has to be. */
#ifndef CL_PROVE_JUDGE_H
#define CL_PROVE_JUDGE_H

#include "sandbox/base/frame.h"
#include "sandbox/prove/probes.h"

/* How the worker of one probe ended up. */
struct cl_outcome {
    bool has_died;
    int32_t status; /* the signal it died of, 0: it exited */
    int32_t sys;    /* errno of its call, 0: the call succeeded */
};

const char *cl_judge_probe(enum cl_probe_meaning meaning, const struct cl_outcome *outcome);
/* `uid`: that of its slot, inside. */
const char *cl_judge_jail(const struct cl_frame_probed *seen, uint32_t uid);

#endif
