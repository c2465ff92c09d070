/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche policy test`: proves each grant and each refusal of a policy, one line each.
 */
#ifndef CL_CLI_PROVE_H
#define CL_CLI_PROVE_H

#include "api/cli/private.h"

int cl_prove_run(int argc, char **argv);

struct cl_prove {
    struct cl_private own;
    struct cl_answer answer;
    struct cl_buf json; /* the list of --json */
    unsigned good, bad;
    bool as_json;
};

enum cl_proof { CL_PROOF_GRANT, CL_PROOF_REFUSAL };

/* One proved thing, or one that is not as the policy says. */
void cl_prove_tell(struct cl_prove *prove, bool is_good, enum cl_proof kind, const char *what,
                   const char *seen);

/* What a call under the policy has to come to: a verdict, and the rule or limit behind it (NULL:
 * any). `verdict` "refused": an HTTP problem instead; "made": 201; "answered" and "answered not":
 * result or error of python/v1. */
struct cl_expected {
    enum cl_proof kind;
    const char *verdict, *why;
};

/* Makes one call and tells. `more`: further members of the body, each with a comma before it, or
 * "". -1 when the service is gone. */
int cl_prove_call(struct cl_prove *prove, const struct cl_expected *expected, const char *what,
                  const char *source, const char *more);
int cl_prove_post(struct cl_prove *prove, const struct cl_expected *expected, const char *what,
                  const char *path, const struct cl_buf *body);
bool cl_prove_lists(const struct cl_prove *prove, const char *module);
bool cl_prove_has_builtin(const struct cl_prove *prove, const char *name);

/* The parts. -1: the service is gone, or a jail can't be made. */
int cl_prove_jail(struct cl_prove *prove, struct cl_err *err);
int cl_prove_modules(struct cl_prove *prove);
int cl_prove_limits(struct cl_prove *prove);
int cl_prove_tiers(struct cl_prove *prove);
int cl_prove_sessions(struct cl_prove *prove);
int cl_prove_register(struct cl_prove *prove);

#endif
