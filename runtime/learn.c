/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes LOG frames about what a program asked for, each thing once.
 * Runs in: a worker under a learning policy, also in its SIGSYS handler.
 * Trusts: nothing; a program that forges notes gets a proposal that an admin reads.
 */
#include "runtime/learn.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "runtime/emit.h"
#include "sandbox/base/frame.h"

/* A Bloom filter: of 512 notes, one in 70,000 is taken for one that was written. */
enum { SEEN_BITS = 32768, PARTS = 4, NOTES_MAX = 512, WARN = 1 };

static struct {
    bool is_on, is_started;
    unsigned notes;
    uint64_t seen[SEEN_BITS / 64];
} learn;

void cl_learn_prepare(const struct cl_policy *policy)
{
    learn.is_on = policy->flags & CL_POLICY_LEARN;
}

bool cl_learn_is_on(void)
{
    return learn.is_on;
}

void cl_learn_start(void)
{
    learn.is_started = true;
}

/* FNV-1a, whose high half is mixed into the low one: short texts differ little in it. */
static uint64_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u;
}

static bool is_new(const char *text, size_t length)
{
    const uint64_t hash = hash_of(text, length);
    bool is_seen = true;

    if (learn.notes == NOTES_MAX)
        return false;
    for (unsigned part = 0; part < PARTS; part++) {
        const uint64_t at = (hash >> 16 * part) % SEEN_BITS;
        const uint64_t bit = 1ull << at % 64;
        is_seen = is_seen && (learn.seen[at / 64] & bit);
        learn.seen[at / 64] |= bit;
    }
    learn.notes += !is_seen;
    return !is_seen;
}

static size_t append(char *text, size_t used, const char *more)
{
    size_t length = strlen(more);

    if (length > CL_FRAME_LOG_MAX - used)
        length = CL_FRAME_LOG_MAX - used;
    memcpy(text + used, more, length);
    return used + length;
}

void cl_learn_text(const char *kind, const char *name)
{
    char text[CL_FRAME_LOG_MAX];
    size_t length = 0;

    if (!learn.is_on || !learn.is_started)
        return;
    length = append(text, length, "learn ");
    length = append(text, length, kind);
    length = append(text, length, " ");
    length = append(text, length, name);
    if (is_new(text, length))
        cl_emit_log(WARN, text, length);
}

int cl_learn_syscall(long number, int error)
{
    const int saved = errno;
    char digits[24];
    char *at = digits + sizeof(digits) - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    cl_learn_text(error ? "polite" : "syscall", at);
    errno = saved;
    return error ? error : EPERM;
}
