/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of the worker. Each is written whole under one lock (threads may print while the
 * main thread ends the call), with write(2) and futex(2) alone. Async-signal-safe. The final ones
 * write, then _exit at once: no finalizer, no atexit. In a session RESULT, ERROR and DENIED end
 * their call alone, and return; what that call says afterwards is dropped.
 * A full socket blocks (release the GIL first); a closed one ends the worker.
 */
#ifndef CL_RUNTIME_EMIT_H
#define CL_RUNTIME_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/wire.h"

/* One call of a session: its number, and its share of the caps. */
struct cl_emit_voice {
    uint32_t call;
    bool is_over; /* its final frame is out */
    uint64_t output_most, output_sent;
    uint64_t items_most, items_sent;
    uint64_t files_most, files_sent;
    uint64_t result_most;
};

/* What this thread emits from now on is of this call; NULL: of none, and dropped. */
void cl_emit_voice_open(struct cl_emit_voice *voice, uint32_t call,
                        const struct cl_frame_call *caps);
void cl_emit_speak(struct cl_emit_voice *voice);

/* Sets the caps that the worker itself keeps (the API counts again). */
void cl_emit_open(int job_fd, const struct cl_frame_call *caps);
void cl_emit_ready(int job_fd);

void cl_emit_probed(const struct cl_frame_probed *probed);

/* STDOUT or STDERR, split into frames at UTF-8 borders; over the output cap: ends with LIMIT. */
void cl_emit_output(enum cl_frame_type stream, const char *text, size_t length);
void cl_emit_log(uint32_t level, const char *text, size_t length);
/* PROGRESS or ITEM; the text is JSON. */
void cl_emit_json(enum cl_frame_type type, const char *json, size_t length);
void cl_emit_file(const char *path, size_t path_length, const char *content, size_t length);

void cl_emit_result(const char *json, size_t length); /* over the cap: LIMIT result */
/* Texts may hold NUL: a length in the head that is not 0 is the text's; else it is terminated. */
/* The lengths in `head` count where they are not 0; else a text ends at its NUL. */
void cl_emit_error(const struct cl_frame_error *head, const char *type, const char *message,
                   const char *traceback);
void cl_emit_denied(const struct cl_frame_denied *head, const char *rule, const char *name,
                    const char *message);
_Noreturn void cl_emit_limit(enum cl_limit limit, uint64_t value, uint64_t used);
/* The same, with the place in the caller's source and a text about it. */
_Noreturn void cl_emit_limit_at(const struct cl_frame_limit *head, const char *text,
                                size_t length);
_Noreturn void cl_emit_failed(const struct cl_err *err);

#endif
