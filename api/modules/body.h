/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of a PUT of a module and of a push of many. */
#ifndef CL_API_MODULES_BODY_H
#define CL_API_MODULES_BODY_H

#include "api/json/scan.h"
#include "api/refusal.h"
#include "sandbox/base/wire.h"

struct cl_visit;

/* What the JSON body of a PUT, or of a push, may hold. */
struct cl_modbody {
    struct cl_json source, files, description, policy, retry, prune;
};

/* Refuses at a key ("": at the whole body). Always -1. */
int cl_modbody_malformed(struct cl_refusal *refusal, const char *key, const char *what);
/* The same for an error, unless that is for want of memory and nothing of the body's. Always -1. */
int cl_modbody_failed(struct cl_refusal *refusal, const char *key, const struct cl_err *err);
/* Finds the members; unknown ones and other kinds are refused. */
int cl_modbody_read(struct cl_modbody *body, bool is_push, const char *text, size_t length,
                    struct cl_refusal *refusal);
/* A short text; absent is "". */
int cl_modbody_text(struct cl_json value, const char *key, char *room, size_t size,
                    struct cl_refusal *refusal);
/* The name of a policy that the tenant may use; "" when absent. */
int cl_modbody_policy(struct cl_visit *visit, struct cl_json value, char policy[CL_NAME_MAX],
                      struct cl_refusal *refusal);
/* Whether a source is not too large. */
int cl_modbody_check_size(size_t length, struct cl_refusal *refusal);
/* Whether a name may be put: no directory serves it, and there is room for one more. */
int cl_modbody_check_name(struct cl_visit *visit, const char *name, struct cl_refusal *refusal);

#endif
