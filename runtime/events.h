/* SPDX-License-Identifier: Apache-2.0 */
/* The module `cloche` of the caller's code: log(message, level="info") and
 * progress(value, total=None, message=None). Every policy has it. */
#ifndef CL_RUNTIME_EVENTS_H
#define CL_RUNTIME_EVENTS_H

/* Puts the module into sys.modules; -1 with an exception set. */
int cl_events_prepare(void);

#endif
