/* SPDX-License-Identifier: Apache-2.0 */
/* An effective policy -> the flat struct cl_policy, as bytes and as a sealed memfd. */
#ifndef CL_POLICIES_PACK_H
#define CL_POLICIES_PACK_H

#include "policies/spec.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/err.h"

/* Appends the whole file to an empty buffer, filter included; its own output has passed
 * cl_policyview_check. */
int cl_pack_make(const struct cl_spec *spec, struct cl_buf *buf, struct cl_err *err);

/* From now on policies are made for learning: what the filter refuses is told to the worker, which
 * writes it down. It is refused all the same. */
void cl_pack_learn(void);

/* Puts the bytes into a memfd that nobody can change any more. Returns the fd. */
int cl_pack_seal(const struct cl_buf *buf, struct cl_err *err);

#endif
