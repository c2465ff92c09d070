/* SPDX-License-Identifier: Apache-2.0 */
/* Answers the self-test from inside a complete jail. */
#ifndef CL_RUNTIME_PROBE_H
#define CL_RUNTIME_PROBE_H

#include "sandbox/base/wire.h"
#include "sandbox/enter/enter.h"

void cl_probe_open(const struct cl_jail_seen *seen); /* kept by value */
/* Makes the call that is asked for, if any (which may end the process), and tells what is seen. */
void cl_probe_run(const struct cl_frame_probe *probe, struct cl_frame_probed *probed);

#endif
