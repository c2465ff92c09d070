/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all frames, the check that reads it, and the words for limits.
 * Runs in: every process.
 * Trusts: nothing that was received; a frame that is sent was made by our own code.
 */
#include "sandbox/base/frame.h"

#include "sandbox/base/own.h"

struct frame_rule {
    uint16_t type; /* enum cl_frame_type */
    bool from_worker;
    bool is_final;
    uint32_t least; /* bytes of the fixed part */
    uint32_t most;
};

#define FIXED(type)     sizeof(struct type), sizeof(struct type)
#define HEADED(type, m) sizeof(struct type), sizeof(struct type) + (m)

static const struct frame_rule frame_rules[] = {
    { CL_F_CALL, false, false, FIXED(cl_frame_call) },
    { CL_F_SOURCE, false, false, 0, CL_FRAME_IN_MAX },
    { CL_F_ENTRY, false, false, 1, CL_FRAME_NAME_MAX },
    { CL_F_ARGS, false, false, 2, CL_FRAME_IN_MAX },
    { CL_F_KWARGS, false, false, 2, CL_FRAME_IN_MAX },
    { CL_F_STDIN, false, false, 0, CL_FRAME_IN_MAX },
    { CL_F_FILE, false, false, sizeof(struct cl_frame_file), CL_FRAME_IN_MAX },
    { CL_F_ARTIFACT, false, false, 1, CL_FRAME_NAME_MAX },
    { CL_F_ENV, false, false, 2, CL_FRAME_ENV_MAX },
    { CL_F_GO, false, false, 0, 0 },
    { CL_F_PROBE, false, false, FIXED(cl_frame_probe) },
    { CL_F_MODULE, false, false, sizeof(struct cl_frame_module) + 1, CL_FRAME_IN_MAX },
    { CL_F_NUMBER, false, false, FIXED(cl_frame_number) },
    { CL_F_READY, true, false, 0, 0 },
    { CL_F_STDOUT, true, false, 0, CL_FRAME_OUTPUT_MAX },
    { CL_F_STDERR, true, false, 0, CL_FRAME_OUTPUT_MAX },
    { CL_F_LOG, true, false, HEADED(cl_frame_log, CL_FRAME_LOG_MAX) },
    { CL_F_PROGRESS, true, false, 2, CL_FRAME_OUTPUT_MAX },
    { CL_F_ITEM, true, false, 1, CL_FRAME_OUT_MAX },
    { CL_F_FILE_OUT, true, false, sizeof(struct cl_frame_file), CL_FRAME_OUT_MAX },
    { CL_F_PROBED, true, false, FIXED(cl_frame_probed) },
    { CL_F_RESULT, true, true, 1, CL_FRAME_OUT_MAX },
    { CL_F_ERROR, true, true, HEADED(cl_frame_error, CL_FRAME_TEXTS_MAX) },
    { CL_F_DENIED, true, true, HEADED(cl_frame_denied, CL_FRAME_TEXTS_MAX) },
    { CL_F_LIMIT, true, true, HEADED(cl_frame_limit, CL_FRAME_TEXTS_MAX) },
    { CL_F_FAILED, true, true, FIXED(cl_err) },
};

static const struct frame_rule *frame_rule_of(uint32_t type)
{
    for (size_t i = 0; i < CL_COUNT(frame_rules); i++) {
        if (frame_rules[i].type == type)
            return &frame_rules[i];
    }
    return NULL;
}

struct cl_frame cl_frame_make(enum cl_frame_type type, size_t length)
{
    const struct frame_rule *rule = frame_rule_of((uint32_t)type);

    CL_CHECK(rule && length >= rule->least && length <= rule->most);
    struct cl_frame frame = { CL_FRAME_MAGIC, (uint16_t)type, (uint32_t)length };
    return frame;
}

int cl_frame_check(const struct cl_frame *frame, bool from_worker, struct cl_err *err)
{
    const struct frame_rule *rule = frame_rule_of(frame->type);

    if (frame->magic != CL_FRAME_MAGIC)
        return cl_fail(err, CL_E_LOST, "a frame starts with 0x%04x", frame->magic);
    if (!rule || rule->from_worker != from_worker)
        return cl_fail(err, CL_E_LOST, "frame %u may not come from the %s", frame->type,
                       from_worker ? "worker" : "API");
    if (frame->length < rule->least || frame->length > rule->most)
        return cl_fail(err, CL_E_LOST, "frame %u of %u bytes, not %u to %u", frame->type,
                       frame->length, rule->least, rule->most);

    return 0;
}

int cl_frame_check_of(const struct cl_frame_of *of, struct cl_err *err)
{
    const struct cl_frame head = { CL_FRAME_MAGIC, of->head.type, of->head.length };

    if (of->head.magic != CL_FRAME_MAGIC_OF)
        return cl_fail(err, CL_E_LOST, "a frame of a session starts with 0x%04x",
                       of->head.magic);
    if (of->call == 0 || of->head.type == CL_F_READY || of->head.type == CL_F_PROBED)
        return cl_fail(err, CL_E_LOST, "frame %u of call %u", of->head.type, of->call);
    return cl_frame_check(&head, true, err);
}

bool cl_frame_is_final(uint32_t type)
{
    const struct frame_rule *rule = frame_rule_of(type);

    return rule && rule->is_final;
}

static const struct {
    const char *name;
    const char *unit;
} limit_words[] = {
    [CL_LIMIT_WALL] = { "wall", "ms" },        [CL_LIMIT_CPU] = { "cpu", "ms" },
    [CL_LIMIT_MEMORY] = { "memory", "bytes" }, [CL_LIMIT_PROCESSES] = { "processes", "count" },
    [CL_LIMIT_OUTPUT] = { "output", "bytes" }, [CL_LIMIT_RESULT] = { "result", "bytes" },
    [CL_LIMIT_FILES] = { "files", "bytes" },   [CL_LIMIT_DEPTH] = { "depth", "levels" },
};

_Static_assert(CL_COUNT(limit_words) == CL_LIMIT_COUNT_, "every limit has its words");

const char *cl_limit_name(uint32_t limit)
{
    return limit < CL_COUNT(limit_words) ? limit_words[limit].name : NULL;
}

const char *cl_limit_unit(uint32_t limit)
{
    return limit < CL_COUNT(limit_words) ? limit_words[limit].unit : NULL;
}
