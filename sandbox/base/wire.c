/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of all frames and messages, and the checks that read them.
 * Runs in: every process.
 * Trusts: nothing that was received; a frame or message that is sent was made by our own code.
 */
#include "sandbox/base/wire.h"

#include <string.h>
#include <unistd.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

/* ------------------------------------------------------------------ frames on the job socket
 */

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
    { CL_F_LIMIT, true, true, FIXED(cl_frame_limit) },
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

/* --------------------------------------------------------------- messages on control sockets
 */

enum { TEXTS_MAX = 2 };

struct text_field {
    uint16_t offset;
    uint16_t size; /* 0: no such field */
};

struct msg_rule {
    const char *name;
    uint32_t type; /* enum cl_msg_type */
    enum cl_msg_way way;
    uint32_t size;
    uint8_t fds_least;
    uint8_t fds_most;
    struct text_field texts[TEXTS_MAX]; /* must be terminated */
};

#define TEXT(type, field)                                                                      \
    {                                                                                          \
        offsetof(struct type, field), sizeof(((struct type *)0)->field)                        \
    }
#define SIZE(type) sizeof(struct type)

static const struct msg_rule msg_rules[] = {
    { "HELLO", CL_M_HELLO, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_hello), 0, 0, { { 0, 0 } } },
    { "TAKE", CL_M_TAKE, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_take), 0, 0, { { 0, 0 } } },
    { "FINISH", CL_M_FINISH, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_spare), 0, 0, { { 0, 0 } } },
    { "KILL", CL_M_KILL, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_kill), 0, 0, { { 0, 0 } } },
    { "WANT", CL_M_WANT, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_want), 0, 0, { { 0, 0 } } },
    { "DROP", CL_M_DROP, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_spare), 0, 0, { { 0, 0 } } },

    { "POLICY",
      CL_M_POLICY,
      CL_WAY_CLOCHED_TO_API,
      SIZE(cl_msg_policy),
      1,
      1,
      { TEXT(cl_msg_policy, name) } },
    { "TENANT",
      CL_M_TENANT,
      CL_WAY_CLOCHED_TO_API,
      SIZE(cl_msg_tenant),
      1,
      1,
      { TEXT(cl_msg_tenant, name) } },
    { "LOADED", CL_M_LOADED, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_loaded), 0, 0, { { 0, 0 } } },
    { "SPARE", CL_M_SPARE, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_offer), 1, 1, { { 0, 0 } } },
    { "TAKEN", CL_M_TAKEN, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_spare), 0, 0, { { 0, 0 } } },
    { "END", CL_M_END, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_end), 0, 0, { { 0, 0 } } },
    { "RETIRE", CL_M_RETIRE, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_spare), 0, 0, { { 0, 0 } } },
    { "DRAIN", CL_M_DRAIN, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_drain), 0, 0, { { 0, 0 } } },

    { "SPAWN",
      CL_M_SPAWN,
      CL_WAY_CLOCHED_TO_ZYGOTE,
      SIZE(cl_msg_spawn),
      1,
      CL_FDPASS_MAX,
      { { 0, 0 } } },
    { "UP", CL_M_UP, CL_WAY_ZYGOTE_TO_CLOCHED, SIZE(cl_msg_up), 0, 0, { { 0, 0 } } },
    { "SPAWNED",
      CL_M_SPAWNED,
      CL_WAY_ZYGOTE_TO_CLOCHED,
      SIZE(cl_msg_spawned),
      1,
      1,
      { { 0, 0 } } },
    { "FAILED",
      CL_M_FAILED,
      CL_WAY_ZYGOTE_TO_CLOCHED,
      SIZE(cl_msg_failed),
      0,
      0,
      { TEXT(cl_msg_failed, err.file), TEXT(cl_msg_failed, err.text) } },

    { "SOURCE",
      CL_M_SOURCE,
      CL_WAY_CLOCHED_TO_POLICYC,
      SIZE(cl_msg_source),
      0,
      1,
      { TEXT(cl_msg_source, name) } },
    { "COMPILE", CL_M_COMPILE, CL_WAY_CLOCHED_TO_POLICYC, SIZE(cl_msg), 0, 0, { { 0, 0 } } },
    { "COMPILED",
      CL_M_COMPILED,
      CL_WAY_POLICYC_TO_CLOCHED,
      SIZE(cl_msg_compiled),
      1,
      1,
      { TEXT(cl_msg_compiled, name) } },
    { "REFUSED",
      CL_M_REFUSED,
      CL_WAY_POLICYC_TO_CLOCHED,
      SIZE(cl_msg_refused),
      0,
      0,
      { TEXT(cl_msg_refused, name), TEXT(cl_msg_refused, text) } },
    { "DONE", CL_M_DONE, CL_WAY_POLICYC_TO_CLOCHED, SIZE(cl_msg_done), 0, 0, { { 0, 0 } } },
};

static const struct msg_rule *msg_rule_of(uint32_t type)
{
    for (size_t i = 0; i < CL_COUNT(msg_rules); i++) {
        if (msg_rules[i].type == type)
            return &msg_rules[i];
    }
    return NULL;
}

const char *cl_msg_name(uint32_t type)
{
    const struct msg_rule *rule = msg_rule_of(type);

    return rule ? rule->name : "unknown";
}

int cl_msg_send(int socket, enum cl_msg_type type, void *msg, const int *fds, size_t fd_count,
                struct cl_err *err)
{
    const struct msg_rule *rule = msg_rule_of((uint32_t)type);
    struct cl_msg *head = msg;

    CL_CHECK(rule && fd_count >= rule->fds_least && fd_count <= rule->fds_most);
    head->type = rule->type;
    head->length = rule->size;
    if (cl_fdpass_send(socket, msg, rule->size, fds, fd_count, err) < 0)
        return cl_err_context(err, "%s", rule->name);

    return 0;
}

static int check_texts(const union cl_msg_any *msg, const struct msg_rule *rule,
                       struct cl_err *err)
{
    for (size_t i = 0; i < TEXTS_MAX; i++) {
        const struct text_field *field = &rule->texts[i];
        if (field->size > 0 && !memchr(msg->bytes + field->offset, '\0', field->size))
            return cl_fail(err, CL_E_LOST, "%s holds a text without an end", rule->name);
    }
    return 0;
}

/* The one message whose descriptor depends on a field. */
static size_t fds_wanted(const union cl_msg_any *msg, size_t fd_count)
{
    if (msg->head.type != CL_M_SOURCE)
        return fd_count;
    return msg->source.embedded == 1 ? 0 : 1;
}

int cl_msg_check(const union cl_msg_any *msg, size_t length, size_t fd_count,
                 enum cl_msg_way way, struct cl_err *err)
{
    if (length < sizeof(msg->head) || length > sizeof(*msg))
        return cl_fail(err, CL_E_LOST, "a message of %zu bytes", length);

    const struct msg_rule *rule = msg_rule_of(msg->head.type);
    if (!rule)
        return cl_fail(err, CL_E_LOST, "unknown message %u", msg->head.type);
    if (rule->way != way)
        return cl_fail(err, CL_E_LOST, "%s may not travel this way", rule->name);
    if (length != rule->size || msg->head.length != rule->size)
        return cl_fail(err, CL_E_LOST, "%s of %zu bytes says %u, not %u", rule->name, length,
                       msg->head.length, rule->size);
    if (fd_count < rule->fds_least || fd_count > rule->fds_most ||
        fd_count != fds_wanted(msg, fd_count))
        return cl_fail(err, CL_E_LOST, "%s with %zu descriptors", rule->name, fd_count);

    return check_texts(msg, rule, err);
}

int cl_msg_recv(int socket, enum cl_msg_way way, union cl_msg_any *msg, int *fds,
                size_t *fd_count, struct cl_err *err)
{
    ssize_t length;

    memset(msg, 0, sizeof(*msg));
    length = cl_fdpass_recv(socket, msg, sizeof(*msg), fds, fd_count, err);
    if (length <= 0)
        return (int)length;
    if (cl_msg_check(msg, (size_t)length, *fd_count, way, err) == 0)
        return 1;

    for (size_t i = 0; i < *fd_count; i++)
        cl_own_close(&fds[i]);
    *fd_count = 0;
    return -1;
}
