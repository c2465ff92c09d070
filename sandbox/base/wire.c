/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all messages, the check that reads it, and their way over a socket.
 * Runs in: every process.
 * Trusts: nothing that was received; a message that is sent was made by our own code.
 */
#include "sandbox/base/wire.h"

#include <string.h>
#include <unistd.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

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

/* clang-format off */
#define TEXT(type, field) { offsetof(struct type, field), sizeof(((struct type *)0)->field) }
#define NO_TEXT           { { 0, 0 } }
#define TEXTS(...)        { __VA_ARGS__ }
#define SIZE(type)        sizeof(struct type)

/* All messages of the API about a spare begin alike: cloched looks there before it looks further. */
_Static_assert(offsetof(struct cl_msg_take, spare) == offsetof(struct cl_msg_spare, spare) &&
                   offsetof(struct cl_msg_kill, spare) ==
                       offsetof(struct cl_msg_spare, spare) &&
                   offsetof(struct cl_msg_next, spare) == offsetof(struct cl_msg_spare, spare),
               "the spare's id has one place");

static const struct msg_rule msg_rules[] = {
    { "HELLO", CL_M_HELLO, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_hello), 0, 0, NO_TEXT },
    { "TAKE", CL_M_TAKE, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_take), 0, 0, NO_TEXT },
    { "FINISH", CL_M_FINISH, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_spare), 0, 0, NO_TEXT },
    { "KILL", CL_M_KILL, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_kill), 0, 0, NO_TEXT },
    { "WANT", CL_M_WANT, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_want), 0, 0, NO_TEXT },
    { "DROP", CL_M_DROP, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_spare), 0, 0, NO_TEXT },
    { "NEXT", CL_M_NEXT, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_next), 0, 0, NO_TEXT },
    { "REST", CL_M_REST, CL_WAY_API_TO_CLOCHED, SIZE(cl_msg_spare), 0, 0, NO_TEXT },

    { "POLICY", CL_M_POLICY, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_policy), 1, 1,
      TEXTS(TEXT(cl_msg_policy, name)) },
    { "TENANT", CL_M_TENANT, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_tenant), 1, 1,
      TEXTS(TEXT(cl_msg_tenant, name)) },
    { "LOADED", CL_M_LOADED, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_loaded), 0, 0, NO_TEXT },
    { "SPARE", CL_M_SPARE, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_offer), 1, 1, NO_TEXT },
    { "TAKEN", CL_M_TAKEN, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_spare), 0, 0, NO_TEXT },
    { "END", CL_M_END, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_end), 0, 0, NO_TEXT },
    { "RETIRE", CL_M_RETIRE, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_spare), 0, 0, NO_TEXT },
    { "DRAIN", CL_M_DRAIN, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_drain), 0, 0, NO_TEXT },
    { "USAGE", CL_M_USAGE, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_usage), 0, 0, NO_TEXT },
    { "COUNTS", CL_M_COUNTS, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_counts), 0, 0, NO_TEXT },
    { "PROBLEM", CL_M_PROBLEM, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_problem), 0, 0,
      TEXTS(TEXT(cl_msg_problem, text)) },
    { "FUNCTION", CL_M_FUNCTION, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_function), 1, 1,
      TEXTS(TEXT(cl_msg_function, tenant), TEXT(cl_msg_function, name)) },
    { "FUNCTIONS", CL_M_FUNCTIONS, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_functions), 0, 0,
      TEXTS(TEXT(cl_msg_functions, tenant), TEXT(cl_msg_functions, text)) },
    { "AUDIT", CL_M_AUDIT, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_audit), 1, 1,
      TEXTS(TEXT(cl_msg_audit, why)) },
    { "TLS", CL_M_TLS, CL_WAY_CLOCHED_TO_API, SIZE(cl_msg_tls), 1, 1, NO_TEXT },

    { "SPAWN", CL_M_SPAWN, CL_WAY_CLOCHED_TO_ZYGOTE, SIZE(cl_msg_spawn), 1, CL_FDPASS_MAX,
      NO_TEXT },
    { "UP", CL_M_UP, CL_WAY_ZYGOTE_TO_CLOCHED, SIZE(cl_msg_up), 0, 0, NO_TEXT },
    { "SPAWNED", CL_M_SPAWNED, CL_WAY_ZYGOTE_TO_CLOCHED, SIZE(cl_msg_spawned), 1, 1, NO_TEXT },
    { "FAILED", CL_M_FAILED, CL_WAY_ZYGOTE_TO_CLOCHED, SIZE(cl_msg_failed), 0, 0,
      TEXTS(TEXT(cl_msg_failed, err.file), TEXT(cl_msg_failed, err.text)) },

    { "SOURCE", CL_M_SOURCE, CL_WAY_LOADER_TO_POLICYC, SIZE(cl_msg_source), 0, 1,
      TEXTS(TEXT(cl_msg_source, name)) },
    { "COMPILE", CL_M_COMPILE, CL_WAY_LOADER_TO_POLICYC, SIZE(cl_msg), 0, 0, NO_TEXT },
    { "COMPILED", CL_M_COMPILED, CL_WAY_POLICYC_TO_LOADER, SIZE(cl_msg_compiled), 1, 1,
      TEXTS(TEXT(cl_msg_compiled, name)) },
    { "REFUSED", CL_M_REFUSED, CL_WAY_POLICYC_TO_LOADER, SIZE(cl_msg_refused), 0, 0,
      TEXTS(TEXT(cl_msg_refused, name), TEXT(cl_msg_refused, text)) },
    { "DONE", CL_M_DONE, CL_WAY_POLICYC_TO_LOADER, SIZE(cl_msg_done), 0, 0, NO_TEXT },

    { "LOAD", CL_M_LOAD, CL_WAY_CLOCHED_TO_LOADER, SIZE(cl_msg), 1, 1, NO_TEXT },
    { "IN_FORCE", CL_M_IN_FORCE, CL_WAY_CLOCHED_TO_LOADER, SIZE(cl_msg), 0, 0, NO_TEXT },
    { "SHOW", CL_M_SHOW, CL_WAY_CLOCHED_TO_LOADER, SIZE(cl_msg), 0, 0, NO_TEXT },
    { "GREETED", CL_M_GREETED, CL_WAY_CLOCHED_TO_LOADER, SIZE(cl_msg), 0, 0, NO_TEXT },
    { "EDITED", CL_M_EDITED, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg), 0, 0, NO_TEXT },
    { "MADE", CL_M_MADE, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_compiled), 1, 1,
      TEXTS(TEXT(cl_msg_compiled, name)) },
    { "UNFIT", CL_M_UNFIT, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_refused), 0, 0,
      TEXTS(TEXT(cl_msg_refused, name), TEXT(cl_msg_refused, text)) },
    { "READY", CL_M_READY, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_ready), 0, 0,
      TEXTS(TEXT(cl_msg_ready, why)) },
    { "FILE", CL_M_FILE, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_function), 1, 1,
      TEXTS(TEXT(cl_msg_function, tenant), TEXT(cl_msg_function, name)) },
    { "FILES", CL_M_FILES, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_functions), 0, 0,
      TEXTS(TEXT(cl_msg_functions, tenant), TEXT(cl_msg_functions, text)) },
    { "LOG", CL_M_LOG, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_audit), 1, 1,
      TEXTS(TEXT(cl_msg_audit, why)) },
    { "PAIR", CL_M_PAIR, CL_WAY_LOADER_TO_CLOCHED, SIZE(cl_msg_tls), 1, 1, NO_TEXT },
};
/* clang-format on */

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

size_t cl_msg_size(uint32_t type)
{
    const struct msg_rule *rule = msg_rule_of(type);

    CL_CHECK(rule);
    return rule->size;
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
