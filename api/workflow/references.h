/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References `${...}` in the values of a workflow (section 10 of the protocol): finding them,
 * which task they name, and putting values in their place. Values are JSON text and stay what
 * they are, digit for digit; what was put in is never looked at again. Pure.
 */
#ifndef CL_WORKFLOW_REFERENCES_H
#define CL_WORKFLOW_REFERENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "api/json/scan.h"
#include "sandbox/base/buf.h"

enum {
    CL_REFERENCE_PATH_MAX = 2048,       /* bytes between the braces; a longer one is text */
    CL_REFERENCES_OUT_MAX = 8 << 20,    /* bytes that the values of one task may grow to */
    CL_REFERENCES_WALK_MAX = 128 << 20, /* bytes of results that one task may make us read */
};

/* ---------------------------------------------------------------------- pieces of a text */

enum cl_piece_kind {
    CL_PIECE_END = 0,
    CL_PIECE_TEXT,
    CL_PIECE_ESCAPE, /* $${ */
    CL_PIECE_REFERENCE,
};

/* Views into the text. */
struct cl_piece {
    enum cl_piece_kind kind;
    const char *text; /* all of it, braces too */
    size_t length;
    const char *path; /* of a reference: trimmed, without its default */
    size_t path_length;
    const char *fallback; /* NULL: none */
    size_t fallback_length;
};

/* The piece at *at, which moves behind it. */
enum cl_piece_kind cl_piece_next(const char *text, size_t length, size_t *at,
                                 struct cl_piece *piece);

/* --------------------------------------------------------------------------------- names */

enum { CL_NAMES_NONE = -1, CL_NAMES_SEVERAL = -2 };

struct cl_names_entry {
    const char *text; /* borrowed */
    size_t length;
    int task;
};

/* Which task an id or a name means; the id wins. */
struct cl_names {
    struct cl_names_entry *ids, *names; /* sorted */
    size_t count, longest;
};

/* clang-format off */
#define CL_NAMES_INIT { NULL, NULL, 0, 0 }
/* clang-format on */

void cl_names_init(struct cl_names *names, size_t room);
void cl_names_fini(struct cl_names *names);
void cl_names_add(struct cl_names *names, const char *id, const char *name);
void cl_names_sort(struct cl_names *names); /* after the last, before the first find */

/* A task's number in order of adding, CL_NAMES_NONE or CL_NAMES_SEVERAL. */
int cl_names_find(const struct cl_names *names, const char *text, size_t length);
/* The task that a reference's path begins with; *used is how much of the path names it. The
 * longest id that fits wins, then the longest name. */
int cl_names_of_path(const struct cl_names *names, const char *path, size_t length,
                     size_t *used);

/* Whether what follows the task in a path is a row of `.key` and `[n]`. */
bool cl_path_is_sound(const char *path, size_t length);

/* --------------------------------------------------------------------------- replacement */

/* What stands for a task: its envelope and, inside of that, what it returned. */
struct cl_reference_value {
    struct cl_json envelope; /* kind NONE: there is none */
    struct cl_json result;   /* kind NONE: `.result` is the envelope itself */
};

struct cl_references {
    const struct cl_names *names;
    struct cl_reference_value (*value)(void *self, int task);
    void *self;
    /* Objects at this depth (1: the outermost) keep the texts under code, lambda, source and
     * expression as they are: nothing is ever pasted into a program. 0: no such texts. */
    unsigned source_depth;
    bool keeps_unknown; /* what names no task stays as it is, and so does `$${` */
};

bool cl_reference_is_source(const char *key, size_t length);

/* Appends `value` (checked JSON) with its references replaced. CL_E_INPUT when one does not
 * resolve, CL_E_LIMIT when values get too large; err says which. */
int cl_references_put(const struct cl_references *references, struct cl_json value,
                      struct cl_buf *out, struct cl_err *err);

/* Appends a value as json.dumps writes it. */
int cl_references_dump(struct cl_json value, struct cl_buf *out, struct cl_err *err);

#endif
