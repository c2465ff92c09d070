/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rule about system calls, one row each. What no row mentions is a violation. The rows of
 * one call must not contradict each other: where two match the same arguments, they answer alike.
 */
#ifndef CL_POLICIES_RULES_H
#define CL_POLICIES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cl_answer {
    CL_ANSWER_ALLOW = 1,
    CL_ANSWER_ERRNO, /* polite: libraries go another way */
    CL_ANSWER_KILL,  /* the process, whatever on_violation says */
};

/* The kernel reads 32 bits of an int argument, so a rule that lets something through either looks
 * at those 32 bits alone (BITS) or wants all 64 to be right (IS). IS_NOT is the complement of IS
 * and therefore never the only guard of anything. */
enum cl_test_op { CL_TEST_END = 0, CL_TEST_BITS, CL_TEST_IS, CL_TEST_IS_NOT };

struct cl_test {
    uint8_t op;
    uint8_t arg;   /* 0 to 5 */
    uint32_t mask; /* of CL_TEST_BITS: value == arg & mask */
    uint64_t value;
};

enum { CL_RULE_TESTS_MAX = 3 };

struct cl_rule {
    const char *name;
    enum cl_answer answer;
    int error;       /* of CL_ANSWER_ERRNO */
    uint32_t tiers;  /* the row counts when one of them is on; CL_RULE_SOFT: when none lets
                        the call through */
    uint32_t unless; /* and none of these */
    bool is_needed;  /* the worker cannot live without it: no deny */
    const char *why;
    struct cl_test tests[CL_RULE_TESTS_MAX];
};

#define CL_RULE_SOFT 0u

/* Stands beside the tiers: the policy shows directories of the host (files.read_only). */
#define CL_RULE_BINDS (1u << 31)

extern const struct cl_rule cl_rules[];
extern const size_t cl_rules_count;

/* The calls of a zygote at work and of a worker on its way into the jail (sandbox/enter/), which
 * a filter that the zygote loads has to leave open. */
extern const char *const cl_rules_entry[];
extern const size_t cl_rules_entry_count;

#endif
