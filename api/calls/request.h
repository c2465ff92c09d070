/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /v1/calls, turned into the frames that a worker reads. Texts are unescaped
 * straight into the frames; JSON values are checked and copied as the bytes they are. Pure,
 * fuzzed.
 *
 *   parse    bytes -> frames CALL (empty head) SOURCE .. , what was asked for
 *   put_env  more frames, from the request's headers
 *   seal     asked limits against the policy, CALL head filled, GO appended
 */
#ifndef CL_API_REQUEST_H
#define CL_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/refusal.h"
#include "api/trace.h"
#include "policies/policy.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/wire.h"

enum {
    CL_REQUEST_FILES_MAX = 256,
    CL_REQUEST_ARTIFACTS_MAX = 64,
    CL_REQUEST_METADATA_MAX = 64 << 10,
    CL_REQUEST_EXPRESSION_MAX = 64 << 10,
    CL_REQUEST_FUNCTION_MAX = 192,
    CL_REQUEST_VERSION_MAX = 13,
    CL_PEER_MAX = 48, /* an IPv6 address as text */
};

enum cl_priority { CL_PRIORITY_NORMAL = 0, CL_PRIORITY_HIGH, CL_PRIORITY_LOW };

/* What one call may use, indexed by enum cl_limit. */
struct cl_request_limits {
    uint64_t value[CL_LIMIT_COUNT_];
};

struct cl_request {
    struct cl_buf frames;
    struct cl_buf metadata;                 /* the JSON object as sent; empty when absent */
    char policy[CL_NAME_MAX];               /* "": the tenant's first */
    char function[CL_REQUEST_FUNCTION_MAX]; /* "module.name", its frames are not put yet; "": it
                                               has its source. Set before parse: by the path */
    char version[CL_REQUEST_VERSION_MAX];   /* of the module; "": the present one */
    char trace[CL_TRACE_ID_SIZE];           /* id of the trace it belongs to; "": none */
    char key[CL_NAME_MAX];                  /* for the audit log: id of the token; "": none */
    char peer[CL_PEER_MAX];                 /* likewise the caller's address; "": not known */
    enum cl_priority priority;              /* among its tenant's calls that are stored */
    uint64_t asked[CL_LIMIT_COUNT_];
    bool is_asked[CL_LIMIT_COUNT_];  /* which of them were in the request */
    bool needs_files;                /* files or artifacts were given */
    uint64_t files_bytes;            /* content of all files together */
    struct cl_request_limits limits; /* in force; filled by seal */
};

/* 0, or -1 with why. The request must be zeroed; fini it in every case. */
int cl_request_parse(struct cl_request *request, const char *text, size_t length,
                     struct cl_refusal *refusal);

/* The same for the body of POST /v1/eval: the expression becomes SOURCE, the context KWARGS. */
int cl_request_parse_eval(struct cl_request *request, const char *text, size_t length,
                          struct cl_refusal *refusal);

/* Appends one ENV frame. The value may come from a header; the name is ours. */
int cl_request_put_env(struct cl_request *request, const char *name, const char *value,
                       struct cl_refusal *refusal);

/* May be called again under another policy (after a reload), as long as nothing was sent. */
int cl_request_seal(struct cl_request *request, const struct cl_policy *policy, uint32_t flags,
                    struct cl_refusal *refusal);

/* Whether a value in force is narrower than the policy's, so that cloched must be told. */
uint64_t cl_request_narrowed(const struct cl_request *request, const struct cl_policy *policy,
                             enum cl_limit limit);

void cl_request_fini(struct cl_request *request);

#endif
