/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche policy learn`: runs a file in a jail that writes down what it refuses, and proposes the
 * smallest policy under which the file runs.
 */
#ifndef CL_CLI_LEARN_H
#define CL_CLI_LEARN_H

#include "api/cli/private.h"

enum { CL_LEARN_SYSCALLS = 512, CL_LEARN_TIERS = 6 };

int cl_learn_run(int argc, char **argv);

struct cl_words {
    char **items; /* owned, each once, in the order they came */
    size_t count;
};

/* What one run told. */
struct cl_learned {
    struct cl_words imports, refused, events;
    bool hard[CL_LEARN_SYSCALLS];   /* refused, and would have ended the worker */
    bool polite[CL_LEARN_SYSCALLS]; /* refused with an error that libraries know */
    char verdict[32], why[256];
    uint64_t wall_ms, cpu_ms, memory_bytes, output_bytes, result_bytes;
};

void cl_words_add(struct cl_words *words, const char *text, size_t length);
bool cl_words_has(const struct cl_words *words, const char *text);
void cl_words_fini(struct cl_words *words);
void cl_learned_fini(struct cl_learned *seen);

/* Whether a policy may list it: `name` was taken by cl_words_add. */
bool cl_learn_exists(const char *module);

/* Posts one call as a stream and gathers what it told; the numbers are of this run alone. */
int cl_learn_watch(struct cl_private *own, const struct cl_buf *body, struct cl_learned *seen,
                   struct cl_err *err);

/* The tiers as they are: bit i is tier i of enum cl_policy_tier, and `opens` says by number which
 * of them let a system call through. */
extern const char *const cl_learn_tiers[CL_LEARN_TIERS];

struct cl_proposal {
    const char *file; /* that was learned */
    const struct cl_learned *seen;
    uint32_t tiers;
    bool is_dangerous; /* what was refused first was granted in a later run */
};

/* The tiers that `seen` asks for, beyond `granted`. */
uint32_t cl_learn_needed(const struct cl_learned *seen, const uint8_t opens[CL_LEARN_SYSCALLS],
                         uint32_t granted);
int cl_learn_write(const struct cl_proposal *proposal, const uint8_t opens[CL_LEARN_SYSCALLS],
                   struct cl_buf *out, struct cl_err *err);

#endif
