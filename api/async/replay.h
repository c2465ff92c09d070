/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as they are stored (lines of NDJSON, made by events.c, some lines a row) and as a client
 * gets them: from behind the last one that it has, in its form. Pure.
 */
#ifndef CL_API_REPLAY_H
#define CL_API_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/calls/events.h"

struct cl_replay_line {
    uint64_t seq;
    const char *event; /* view of its name */
    size_t event_length;
    const char *text; /* view of the object, without the line's end */
    size_t length;
};

/* The line that starts at *at, which moves behind it; false at the end, and at what is no such
 * line (then *at stays before the end). */
bool cl_replay_next(const char *text, size_t length, size_t *at, struct cl_replay_line *line);

struct cl_replay {
    enum cl_events_form form;
    uint64_t after; /* seq of the last event that the client has */
    bool is_at_end; /* it has the event `end` */
};

/* Appends those that the client does not have. CL_E_LOST: the text is damaged. */
int cl_replay_put(struct cl_replay *replay, const char *text, size_t length, struct cl_buf *out,
                  struct cl_err *err);

/* Appends the lines with `base` added to their seq; *last is the seq of the last one. */
int cl_replay_renumber(const char *text, size_t length, uint64_t base, uint64_t *last,
                       struct cl_buf *out, struct cl_err *err);

#endif
