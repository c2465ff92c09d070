/* SPDX-License-Identifier: Apache-2.0 */
/* A small, good compiled policy in memory, for tests to break. */
#ifndef CL_TESTS_POLICY_SAMPLE_H
#define CL_TESTS_POLICY_SAMPLE_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "policies/policy.h"

enum { POLICY_SAMPLE_STEPS = 4, POLICY_SAMPLE_TEXT = 64 };

struct policy_sample {
    struct cl_policy head;
    struct sock_filter filter[POLICY_SAMPLE_STEPS];
    struct sock_filter filter_zygote[POLICY_SAMPLE_STEPS];
    uint32_t syscalls[2];
    char modules[POLICY_SAMPLE_TEXT];
    char preload[POLICY_SAMPLE_TEXT];
    char names[POLICY_SAMPLE_TEXT];
    char builtins_removed[POLICY_SAMPLE_TEXT];
    char binds[POLICY_SAMPLE_TEXT];
    char description[POLICY_SAMPLE_TEXT];
};

void policy_sample_init(struct policy_sample *sample);

#endif
