/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was seen to a policy: which tiers, which limits, and the text with its reasons.
 * Runs in: cloche.
 * Trusts: names that cl_words_add took; numbers.
 */
#include <inttypes.h>
#include <string.h>

#include "api/cli/learn.h"
#include "sandbox/base/own.h"

#define MI (UINT64_C(1024) * 1024)

enum { TMP_FILES = 5, LATE_IMPORTS = 4 };

/* In the order of enum cl_policy_tier. */
const char *const cl_learn_tiers[CL_LEARN_TIERS] = {
    "compute", "time", "threads", "asyncio", "late_imports", "tmp_files",
};

static const char *const names[] = {
#include "syscall_names.inc"
};

/* ------------------------------------------------------------------------------------- tiers */

/* Libraries look for files that they do without; only a program that opens one itself needs them. */
static bool wants_files(const struct cl_learned *seen)
{
    for (size_t i = 0; i < seen->events.count; i++) {
        const char *event = seen->events.items[i];
        if (strcmp(event, "open") == 0 || strncmp(event, "os.", 3) == 0 ||
            strncmp(event, "shutil.", 7) == 0 || strncmp(event, "tempfile.", 9) == 0)
            return true;
    }
    return false;
}

/* A polite refusal that the program could live with is not needed: it runs without. */
static bool is_needed(const struct cl_learned *seen, unsigned number)
{
    return seen->hard[number] || (seen->polite[number] && strcmp(seen->verdict, "ok") != 0);
}

uint32_t cl_learn_needed(const struct cl_learned *seen, const uint8_t opens[CL_LEARN_SYSCALLS],
                         uint32_t granted)
{
    static const unsigned order[] = { 1, 2, 3, TMP_FILES };
    const bool files = wants_files(seen);
    uint32_t needed = granted;

    for (size_t tier = 0; tier < CL_COUNT(order); tier++) {
        const uint32_t bit = 1u << order[tier];
        for (unsigned number = 0; number < CL_LEARN_SYSCALLS; number++) {
            if (order[tier] == TMP_FILES && !files)
                break;
            if (is_needed(seen, number) && (opens[number] & bit) && !(opens[number] & needed))
                needed |= bit;
        }
    }
    return needed;
}

/* ------------------------------------------------------------------------------------- limits */

/* Twice what was seen, up to the next power of two of `unit`, and never below `least`. */
static uint64_t friendly(uint64_t seen, uint64_t unit, uint64_t least)
{
    uint64_t value = unit;

    while (value < 2 * seen)
        value *= 2;
    return value < least ? least : value;
}

static int put_bytes(struct cl_buf *out, const char *key, uint64_t seen, uint64_t least,
                     struct cl_err *err)
{
    const uint64_t value = friendly(seen, 1024, least);
    const bool is_mi = value % MI == 0;

    return cl_buf_format(out, err, "  %s: %" PRIu64 "%s%*s# seen: %" PRIu64 " bytes\n", key,
                         is_mi ? value / MI : value / 1024, is_mi ? "Mi" : "Ki",
                         (int)(12 - strlen(key)), "", seen);
}

static int put_time(struct cl_buf *out, const char *key, uint64_t seen_ms, struct cl_err *err)
{
    return cl_buf_format(out, err, "  %s: %" PRIu64 "s%*s# seen: %" PRIu64 " ms\n", key,
                         friendly(seen_ms, 1000, 1000) / 1000, (int)(12 - strlen(key)), "",
                         seen_ms);
}

static int put_limits(const struct cl_proposal *proposal, struct cl_buf *out,
                      struct cl_err *err)
{
    const struct cl_learned *seen = proposal->seen;

    if (cl_buf_put_text(out, "limits:\n", err) < 0 ||
        put_time(out, "wall", seen->wall_ms, err) < 0 ||
        put_time(out, "cpu", seen->cpu_ms, err) < 0 ||
        put_bytes(out, "memory", seen->memory_bytes, 64 * MI, err) < 0 ||
        put_bytes(out, "output", seen->output_bytes, 64 * 1024, err) < 0 ||
        put_bytes(out, "result", seen->result_bytes, 64 * 1024, err) < 0)
        return -1;
    if ((proposal->tiers & 1u << 2) &&
        cl_buf_put_text(out, "  processes: 16  # of the threads; how many were not counted\n",
                        err) < 0)
        return -1;
    if (proposal->tiers & 1u << TMP_FILES)
        return cl_buf_put_text(out, "  files: 16Mi  # of /tmp; how much was not measured\n",
                               err);
    return 0;
}

/* --------------------------------------------------------------------------------------- text */

static int put_words(struct cl_buf *out, const struct cl_words *words, struct cl_err *err)
{
    for (size_t i = 0; i < words->count; i++) {
        if (cl_buf_format(out, err, "%s%s", i ? ", " : "", words->items[i]) < 0)
            return -1;
    }
    return 0;
}

static int put_calls(const struct cl_proposal *proposal, const uint8_t opens[CL_LEARN_SYSCALLS],
                     struct cl_buf *out, struct cl_err *err)
{
    const struct cl_learned *seen = proposal->seen;

    for (unsigned number = 0; number < CL_LEARN_SYSCALLS; number++) {
        const char *name = number < CL_COUNT(names) ? names[number] : NULL;
        const char *end = "no tier opens it, or it was done without";
        if (!seen->hard[number] && !seen->polite[number])
            continue;
        if (opens[number] & proposal->tiers)
            end = "opened below";
        if (cl_buf_format(out, err, "#   %s: %s; %s\n", name ? name : "unknown system call",
                          seen->hard[number] ? "would have ended it" : "politely refused",
                          end) < 0)
            return -1;
    }
    return 0;
}

static int put_comment(const struct cl_proposal *proposal,
                       const uint8_t opens[CL_LEARN_SYSCALLS], struct cl_buf *out,
                       struct cl_err *err)
{
    const struct cl_learned *seen = proposal->seen;
    const bool is_ok = strcmp(seen->verdict, "ok") == 0;

    if (cl_buf_format(out, err,
                      "# Proposed by `cloche policy learn` from one run of %.120s.\n"
                      "# Read it before you use it: it grants what that run asked for.\n"
                      "# The run's verdict: %s%s%.200s\n",
                      proposal->file, seen->verdict, *seen->why ? ", " : "", seen->why) < 0)
        return -1;
    if (!is_ok && !proposal->is_dangerous &&
        cl_buf_put_text(out,
                        "# Something was refused in this run, so what comes after it was not "
                        "seen. Try the policy,\n# or learn again with --dangerously, which "
                        "grants step by step.\n",
                        err) < 0)
        return -1;
    if (cl_buf_put_text(out, "# System calls that were refused:\n", err) < 0 ||
        put_calls(proposal, opens, out, err) < 0)
        return -1;
    if (seen->events.count == 0)
        return 0;
    if (cl_buf_put_text(out, "# Events of Python that a guard refuses unless granted: ", err) <
            0 ||
        put_words(out, &seen->events, err) < 0)
        return -1;
    return cl_buf_put_text(out, "\n", err);
}

int cl_learn_write(const struct cl_proposal *proposal, const uint8_t opens[CL_LEARN_SYSCALLS],
                   struct cl_buf *out, struct cl_err *err)
{
    const bool opens_files = cl_words_has(&proposal->seen->events, "open");

    if (put_comment(proposal, opens, out, err) < 0 ||
        cl_buf_put_text(out, "version: 1\npython:\n  modules: [", err) < 0 ||
        put_words(out, &proposal->seen->imports, err) < 0 ||
        cl_buf_format(out, err, "]\n  builtins: {remove: [%sinput, breakpoint]}\n",
                      opens_files ? "" : "open, ") < 0 ||
        put_limits(proposal, out, err) < 0 ||
        cl_buf_put_text(out, "syscalls:\n  tiers: [compute", err) < 0)
        return -1;
    for (unsigned tier = 1; tier < CL_LEARN_TIERS; tier++) {
        if ((proposal->tiers & 1u << tier) &&
            cl_buf_format(out, err, ", %s", cl_learn_tiers[tier]) < 0)
            return -1;
    }
    return cl_buf_put_text(out, "]\n", err);
}
