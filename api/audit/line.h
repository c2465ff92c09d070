/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the audit log: a JSON object of printable ASCII, at most CL_AUDIT_LINE_MAX bytes with
 * its newline, whatever goes into it. It begins with seq, time and event and ends with its hash:
 *
 *   {"seq":7,"time":"2026-01-31T12:00:00.123Z","event":"call", ... ,"hash":"<64 hex digits>"}
 *
 * The hash is BLAKE2b-256 over the hash of the line before (its 64 digits) and all bytes of this
 * line before `,"hash":`; in a shell: printf '%s%s' "$before" "$bytes" | b2sum -l 256. The line before
 * the first one of all has 64 zeros.
 *
 * A line is filled by puts that cannot fail: a member that does not fit is left out whole, and the
 * line says "cut":true.
 */
#ifndef CL_AUDIT_LINE_H
#define CL_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CL_AUDIT_LINE_MAX = 4096,
    CL_AUDIT_HASH = 32,
    CL_AUDIT_HEAD = 2 * CL_AUDIT_HASH + 1, /* a hash as text, with its NUL */
    CL_AUDIT_DEPTH = 3,                    /* objects inside the line's own */
};

/* Of the first file's first line; digits only. */
extern const char cl_audit_no_head[CL_AUDIT_HEAD];

/* The event that begins a file, and names the line before it: "prev". */
#define CL_AUDIT_OPEN "audit.open"
/* The event after what a power cut or a kill left of a line: "bytes" and "torn", its hash. */
#define CL_AUDIT_TORN "audit.torn"

struct cl_auditline {
    char text[CL_AUDIT_LINE_MAX];
    size_t length;
    unsigned depth;
    bool is_open[CL_AUDIT_DEPTH];
    bool is_full, is_cut;
};

/* `event` and all names are ours. `unix_us` is a time of day. */
void cl_auditline_open(struct cl_auditline *line, uint64_t seq, int64_t unix_us,
                       const char *event);
/* Any bytes; of more than `most` the first, and three dots. What is not printable ASCII is escaped,
 * and what is not UTF-8 becomes U+FFFD. */
void cl_auditline_text(struct cl_auditline *line, const char *name, const char *text,
                       size_t length, size_t most);
/* Text of ours, or of a caller's that is terminated and was checked for its grammar; "" is left
 * out. */
void cl_auditline_word(struct cl_auditline *line, const char *name, const char *word);
void cl_auditline_number(struct cl_auditline *line, const char *name, uint64_t number);
/* Members that follow belong to it, until it is closed. */
void cl_auditline_object(struct cl_auditline *line, const char *name);
void cl_auditline_close(struct cl_auditline *line);

/* Ends the line, newline and all. `head` is that of the line before, and becomes this one's. */
void cl_auditline_seal(struct cl_auditline *line, char head[CL_AUDIT_HEAD]);

/* The hash of a line whose bytes before `,"hash":` these are. */
void cl_audit_hash(const char before[CL_AUDIT_HEAD], const char *bytes, size_t length,
                   char head[CL_AUDIT_HEAD]);

#endif
