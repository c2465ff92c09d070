/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate and key that the service shows, as cloched hands them on. */
#ifndef CL_API_PAIR_H
#define CL_API_PAIR_H

#include "api/visit.h"
#include "sandbox/base/wire.h"

/* Serves new connections with this pair. One that can't be served is told in the log and by
 * /readyz, and changes nothing for a server that has another one; -1 with *err when there is none
 * yet. The fd is borrowed. */
int cl_pair_take(struct cl_app *app, const struct cl_msg_tls *msg, int fd, struct cl_err *err);
/* `cloche-api --check-pair`: whether the pair that comes over descriptor 3 can be served; why not is
 * printed. An exit status. */
int cl_pair_check(void);

#endif
