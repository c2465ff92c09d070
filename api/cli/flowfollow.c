/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows a workflow event by event to its end, and comes again when the connection breaks off.
 * Runs in: cloche.
 * Trusts: nothing; each line is checked as JSON before it is read.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/flow.h"
#include "api/cli/flowview.h"
#include "sandbox/base/own.h"

enum { LINE_MAX_BYTES = 1 << 20, PATIENCE_S = 30 };

struct follow {
    struct cl_buf line;
    struct cl_flowview view;
    bool is_over;
    uint64_t seq; /* of the last event */
};

static bool is_end(struct cl_json event)
{
    static const char *const names[] = { "workflow:completed", "workflow:failed",
                                         "workflow:cancelled", "workflow:timeout" };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        if (cl_json_has_text(cl_json_member(event, "event"), names[i]))
            return true;
    }
    return false;
}

static int on_line(struct follow *follow, struct cl_err *err)
{
    struct cl_json event;

    if (follow->line.length == 0)
        return 0;
    if (cl_json_root(&follow->line, &event, err) < 0)
        return -1;
    follow->seq = cl_json_number(cl_json_member(event, "seq"));
    follow->is_over = is_end(event);
    cl_flowview_put(&follow->view, event);
    return 0;
}

static int take(void *user, const char *bytes, size_t length, struct cl_err *err)
{
    struct follow *follow = user;

    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        const size_t part = end ? (size_t)(end - bytes) : length;

        if (cl_buf_put(&follow->line, bytes, part, err) < 0)
            return -1;
        bytes += part + (end ? 1 : 0);
        length -= part + (end ? 1 : 0);
        if (!end)
            continue;
        if (on_line(follow, err) < 0)
            return -1;
        cl_buf_clear(&follow->line);
    }
    return 0;
}

/* One connection. 1: it broke off; come again. */
static int follow_once(struct cl_service *service, const char *path, struct follow *follow)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    const struct cl_sink sink = { take, follow };
    struct cl_err err = CL_ERR_INIT;
    struct cl_sending sending = { .method = "GET", .path = path };
    char after[32];

    snprintf(after, sizeof(after), "%" PRIu64, follow->seq);
    sending.fields[0].name = "Last-Event-ID";
    sending.fields[0].value = after;
    cl_buf_clear(&follow->line);
    if (cl_service_send(service, &sending, &sink, &answer, &err) < 0)
        return err.kind == CL_E_LOST ? 1 : -cl_flow_fail(&err);
    if (answer.status >= 500)
        return 1;
    if (answer.status != 200)
        return -cl_flow_problem(&answer);
    return follow->is_over ? 0 : 1;
}

int cl_flow_follow(struct cl_service *service, const char *id, bool shows, unsigned total)
{
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(1 << 12);
    struct follow follow = { .line = CL_BUF_INIT(LINE_MAX_BYTES) };
    const struct timespec pause = { .tv_sec = 1 };
    struct cl_err err = CL_ERR_INIT;
    int done = 1;

    if (cl_buf_put_text(&path, "/v1/workflows/", &err) < 0 ||
        cl_service_escape(&path, id, &err) < 0 || cl_buf_put_text(&path, "/events", &err) < 0 ||
        cl_buf_put(&path, "", 1, &err) < 0)
        return cl_flow_fail(&err);
    cl_flowview_init(&follow.view, shows, total);
    for (unsigned tries = 0; done == 1 && tries < PATIENCE_S; tries++) {
        const uint64_t before = follow.seq;
        if (tries > 0)
            nanosleep(&pause, NULL);
        done = follow_once(service, (const char *)path.bytes, &follow);
        tries = follow.seq > before ? 0 : tries;
    }
    cl_flowview_fini(&follow.view);
    cl_buf_fini(&follow.line);
    return done == 1 ? cl_verb_fail(CL_FLOW_UNREACHABLE, "the service went away") : -done;
}
