/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks an audit log, fed piece by piece, in constant memory and whatever its bytes are: that every
 * line has the form of line.h, the next number and the hash that follows from the line before; that
 * the first one begins a file; that a file which follows another goes on where that ended.
 *
 * What a kill or a power cut left of a line is no break when the next line is an audit.torn which
 * tells its length and hash; that one is in the chain like any other.
 */
#ifndef CL_AUDIT_VERIFY_H
#define CL_AUDIT_VERIFY_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/audit/line.h"
#include "sandbox/base/err.h"

enum {
    CL_VERIFY_ANCHORS = 4,
    /* More than this can't be what was left of one batch of lines. */
    CL_VERIFY_TORN_MAX = 2 << 20,
};

/* The place where a line seems to be broken, until it is known to be torn. */
struct cl_verify_torn {
    crypto_generichash_state hash;
    uint64_t bytes; /* without the last newline; 0: nothing is suspected */
    uint64_t line;  /* where it begins */
    char why[160];
};

struct cl_verify {
    char line[CL_AUDIT_LINE_MAX];
    size_t length;
    bool is_long; /* the line has more bytes; those beyond are only hashed */
    struct cl_verify_torn torn;

    /* Results. */
    uint64_t lines, seq, first_seq; /* numbers of the last and the first good line */
    uint64_t line_number;
    uint64_t torn_places;
    char head[CL_AUDIT_HEAD]; /* of the last good line */

    bool is_begun;   /* there was a good line */
    bool is_first;   /* the next line is the first one of its file */
    bool is_partial; /* the first line may be any: the rest of a file was not read */

    const char *anchors[CL_VERIFY_ANCHORS]; /* hashes to be looked for */
    uint64_t found[CL_VERIFY_ANCHORS];      /* seq of the line that has it; 0: not yet */

    /* Each good line; may be NULL. */
    void (*on_line)(void *self, const char *line, size_t length);
    void *self;
};

void cl_verify_init(struct cl_verify *verify);
/* The first line that is fed may be from the middle: it is believed. */
void cl_verify_begin_anywhere(struct cl_verify *verify);
/* -1 when a line is broken for good; `err` names it and says why. */
int cl_verify_feed(struct cl_verify *verify, const char *bytes, size_t length,
                   struct cl_err *err);
/* Bytes of a line that has no newline yet, and whether the broken ones before it may still be
 * explained. */
size_t cl_verify_pending(const struct cl_verify *verify);
/* A file is over; another one may follow. -1 when it ends within a line, or in a broken one. */
int cl_verify_end_file(struct cl_verify *verify, struct cl_err *err);

#endif
