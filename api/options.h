/* SPDX-License-Identifier: Apache-2.0 */
/* What cloched tells cloche-api on its command line, and what follows from it. */
#ifndef CL_API_OPTIONS_H
#define CL_API_OPTIONS_H

#include "api/http1/server.h"
#include "api/store.h"
#include "sandbox/base/log.h"

struct cl_options {
    enum cl_log_level log;
    uint32_t queue_ms;     /* what a call waits for a jail; 0: not said */
    uint64_t buffer_bytes; /* for bodies and answers of all requests together */
    uint32_t spares;       /* most jails that cloched offers at a time */
    struct cl_store_caps store;
    bool tls; /* what comes over the listener is TLS, or nothing */
};

extern const struct cl_options cl_options_default;

int cl_options_parse(struct cl_options *options, int count, char **args, struct cl_err *err);

/* Narrows the caps of the HTTP server to what these options say, and to as many connections as leave
 * room for every jail that may be offered when this process may have `descriptors`. CL_E_LIMIT when
 * that is hardly any. */
int cl_options_caps(const struct cl_options *options, uint64_t descriptors,
                    struct cl_http_caps *caps, struct cl_err *err);

#endif
