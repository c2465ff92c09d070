/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the body of a test as the zygote runs: root of a user namespace of its own. */
#ifndef CL_TESTS_JAILCASE_H
#define CL_TESTS_JAILCASE_H

#include <stdio.h>
#include <unistd.h>

#include "sandbox/enter/enter.h"
#include "tests/support/policy_sample.h"

enum { JAILCASE_FAILED = 99, JAILCASE_KILLED = 256 };

/* For the body: says where, and ends it. */
#define EXPECT(x)                                                                              \
    do {                                                                                       \
        if (!(x)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                            \
            _exit(JAILCASE_FAILED);                                                            \
        }                                                                                      \
    } while (0)

/* Forks; the child enters a new user and mount namespace in which ids 0 to 1023 exist and calls
 * `body`. Returns its exit status (0 when the body came back), or JAILCASE_KILLED + signal. */
int jailcase_run(void (*body)(void));

/* Marks the test as skipped unless it may make namespaces with many ids. */
void jailcase_need_root(void);

/* The sample policy without binds, and a jail for it whose descriptors are ordinary. */
struct cl_jail jailcase_jail(struct policy_sample *policy);

#endif
