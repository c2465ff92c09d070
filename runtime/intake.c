/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads frames from the job socket and gathers them into one call.
 * Runs in: a worker, locked down.
 * Trusts: nothing: lengths, order and counts are checked, though the API made them.
 */
#include "runtime/intake.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"

/* Where the payload of a frame goes. `count` is 0 for frames that come at most once. */
struct slot {
    uint16_t type; /* enum cl_frame_type */
    uint16_t most;
    size_t texts; /* offset of a struct cl_bytes, or of the first of an array */
    size_t count; /* offset of its size_t counter */
};

#define ONE(field) 1, offsetof(struct cl_call, field), 0
#define MANY(most, field, number)                                                              \
    (most), offsetof(struct cl_call, field), offsetof(struct cl_call, number)

static const struct slot slots[] = {
    { CL_F_SOURCE, ONE(source) },
    { CL_F_ENTRY, ONE(entry) },
    { CL_F_ARGS, ONE(args) },
    { CL_F_KWARGS, ONE(kwargs) },
    { CL_F_STDIN, ONE(stdin_text) },
    { CL_F_FILE, MANY(CL_CALL_FILES_MAX, file_content, file_count) },
    { CL_F_ARTIFACT, MANY(CL_CALL_ARTIFACTS_MAX, artifact, artifact_count) },
    { CL_F_ENV, MANY(CL_CALL_ENV_MAX, env, env_count) },
    { CL_F_MODULE, MANY(CL_CALL_MODULES_MAX, module_code, module_count) },
};

/* One read(2). Returns what it read, 0 at the end of the stream. */
static ssize_t read_some(int fd, void *bytes, size_t size, struct cl_err *err)
{
    ssize_t got;

    do {
        got = read(fd, bytes, size);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? cl_fail(err, CL_E_SYS, "read the job socket") : got;
}

static int read_rest(int fd, uint8_t *bytes, size_t length, struct cl_err *err)
{
    while (length > 0) {
        ssize_t got = read_some(fd, bytes, length, err);

        if (got < 0)
            return -1;
        if (got == 0)
            return cl_fail(err, CL_E_LOST, "the job socket ended inside a frame");
        bytes += got;
        length -= (size_t)got;
    }
    return 0;
}

static size_t take_buffered(struct cl_intake *intake, void *bytes, size_t length)
{
    size_t have = intake->end - intake->start;
    size_t taken = length < have ? length : have;

    memcpy(bytes, intake->bytes + intake->start, taken);
    intake->start += taken;
    return taken;
}

/* Exactly `length` bytes: from the buffer, and the rest of a large payload straight to its
 * place. */
static int read_exactly(struct cl_intake *intake, void *bytes, size_t length,
                        struct cl_err *err)
{
    size_t taken = take_buffered(intake, bytes, length);

    return read_rest(intake->fd, (uint8_t *)bytes + taken, length - taken, err);
}

/* Returns 1; 0 when the stream ended at the border; -1. */
static int read_head(struct cl_intake *intake, struct cl_frame *frame, struct cl_err *err)
{
    if (intake->start == intake->end) {
        ssize_t got = read_some(intake->fd, intake->bytes, sizeof(intake->bytes), err);

        if (got <= 0)
            return (int)got;
        intake->start = 0;
        intake->end = (size_t)got;
    }
    if (read_exactly(intake, frame, sizeof(*frame), err) < 0)
        return -1;
    if (cl_frame_check(frame, false, err) < 0)
        return -1;

    intake->total += frame->length;
    if (intake->total > CL_INTAKE_TOTAL_MAX)
        return cl_fail(err, CL_E_LIMIT, "a call of more than %d bytes", CL_INTAKE_TOTAL_MAX);
    return 1;
}

static int read_text(struct cl_intake *intake, size_t length, struct cl_bytes *text,
                     struct cl_err *err)
{
    cl_free_auto char *bytes = malloc(length + 1);

    if (!bytes)
        return cl_fail(err, CL_E_LIMIT, "no memory for %zu bytes of the call", length);
    if (read_exactly(intake, bytes, length, err) < 0)
        return -1;
    bytes[length] = '\0';
    text->length = length;
    text->bytes = cl_take_ptr(&bytes);
    return 0;
}

/* FILE: its path, then what is left of the frame is the content. */
static int read_path(struct cl_intake *intake, size_t *length, struct cl_bytes *path,
                     struct cl_err *err)
{
    struct cl_frame_file file;

    if (read_exactly(intake, &file, sizeof(file), err) < 0)
        return -1;
    *length -= sizeof(file); /* cl_frame_check has seen that it is there */
    if (file.path_length == 0 || file.path_length > *length || file.mode != 0)
        return cl_fail(err, CL_E_LOST, "a file with a path of %u bytes", file.path_length);
    *length -= file.path_length;
    return read_text(intake, file.path_length, path, err);
}

/* MODULE: its name and source, then what is left of the frame is the code. */
static int read_module(struct cl_intake *intake, size_t *length, struct cl_call *call,
                       size_t index, struct cl_err *err)
{
    struct cl_frame_module module;

    if (read_exactly(intake, &module, sizeof(module), err) < 0)
        return -1;
    *length -= sizeof(module); /* cl_frame_check has seen that it is there */
    if (module.name_length == 0 || module.name_length > CL_FRAME_MODULE_NAME ||
        *length != (uint64_t)module.name_length + module.source_length + module.code_length)
        return cl_fail(err, CL_E_LOST, "a module of %u, %u and %u bytes", module.name_length,
                       module.source_length, module.code_length);
    *length = module.code_length;
    if (read_text(intake, module.name_length, &call->module_name[index], err) < 0)
        return -1;
    return read_text(intake, module.source_length, &call->module_source[index], err);
}

static int read_slot(struct cl_intake *intake, const struct slot *slot, size_t length,
                     struct cl_call *call, struct cl_err *err)
{
    struct cl_bytes *text = (struct cl_bytes *)(void *)((char *)call + slot->texts);
    size_t once = text->bytes ? 1 : 0;
    size_t *count = slot->count ? (size_t *)(void *)((char *)call + slot->count) : &once;

    if (*count >= slot->most)
        return cl_fail(err, CL_E_LOST, "more than %u frames of type %u", slot->most,
                       slot->type);
    size_t index = (*count)++;
    if (slot->type == CL_F_FILE && read_path(intake, &length, &call->file_path[index], err) < 0)
        return -1;
    if (slot->type == CL_F_MODULE && read_module(intake, &length, call, index, err) < 0)
        return -1;
    return read_text(intake, length, &text[index], err);
}

static int read_payload(struct cl_intake *intake, const struct cl_frame *frame,
                        struct cl_call *call, struct cl_err *err)
{
    for (size_t i = 0; i < CL_COUNT(slots); i++) {
        if (slots[i].type == frame->type)
            return read_slot(intake, &slots[i], frame->length, call, err);
    }
    return cl_fail(err, CL_E_LOST, "frame %u inside a call", frame->type);
}

/* CALL, after any number of probes. Returns 1, 0 at the end, -1. */
static int read_start(struct cl_intake *intake, struct cl_call *call,
                      void (*on_probe)(const struct cl_frame_probe *probe), struct cl_err *err)
{
    struct cl_frame frame;
    struct cl_frame_probe probe;
    int got;

    while ((got = read_head(intake, &frame, err)) == 1 && frame.type == CL_F_PROBE) {
        if (read_exactly(intake, &probe, sizeof(probe), err) < 0)
            return -1;
        on_probe(&probe);
    }
    if (got == 1 && frame.type == CL_F_NUMBER) {
        if (read_exactly(intake, &call->number, sizeof(call->number), err) < 0)
            return -1;
        got = read_head(intake, &frame, err);
    }
    if (got <= 0)
        return got;
    if (frame.type != CL_F_CALL)
        return cl_fail(err, CL_E_LOST, "frame %u before CALL", frame.type);
    return read_exactly(intake, &call->head, sizeof(call->head), err) < 0 ? -1 : 1;
}

static int check_complete(const struct cl_intake *intake, const struct cl_call *call,
                          struct cl_err *err)
{
    const bool is_function = call->head.flags & CL_CALL_FUNCTION;

    if (is_function && (call->source.bytes || !call->entry.bytes || !call->module_count))
        return cl_fail(err, CL_E_LOST, "a function has ENTRY and MODULE, and no SOURCE");
    if (!is_function && !call->source.bytes)
        return cl_fail(err, CL_E_LOST, "a call without SOURCE");
    if (call->head.depth > CL_DEPTH_MAX)
        return cl_fail(err, CL_E_LOST, "a call with depth %u", call->head.depth);
    if (!(call->head.flags & CL_CALL_SESSION) != (call->number == 0))
        return cl_fail(err, CL_E_LOST, "call %u with flags %u", call->number, call->head.flags);
    if (call->number == 0 && intake->start != intake->end)
        return cl_fail(err, CL_E_LOST, "bytes behind GO");
    return 1;
}

int cl_intake_call(struct cl_intake *intake, struct cl_call *call,
                   void (*on_probe)(const struct cl_frame_probe *probe), struct cl_err *err)
{
    struct cl_frame frame;
    int got = read_start(intake, call, on_probe, err);

    if (got <= 0)
        return got;
    while ((got = read_head(intake, &frame, err)) == 1 && frame.type != CL_F_GO) {
        if (read_payload(intake, &frame, call, err) < 0)
            return -1;
    }
    return got <= 0 ? got : check_complete(intake, call, err);
}
