/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NDJSON and server-sent events.
 * Runs in: cloche-api.
 * Trusts: event and member names, which are ours. JSON values passed the validator.
 */
#include "api/calls/events.h"

#include <inttypes.h>
#include <string.h>

int cl_events_open(struct cl_events *events, const char *name, struct cl_err *err)
{
    events->seq++;
    if (events->form == CL_EVENTS_SSE &&
        cl_buf_format(&events->out, err, "id: %" PRIu64 "\nevent: %s\ndata: ", events->seq,
                      name) < 0)
        return -1;
    return cl_buf_format(&events->out, err, "{\"seq\":%" PRIu64 ",\"event\":\"%s\"",
                         events->seq, name);
}

int cl_events_close(struct cl_events *events, struct cl_err *err)
{
    return cl_buf_put_text(&events->out, events->form == CL_EVENTS_SSE ? "}\n\n" : "}\n", err);
}

int cl_events_put_text(struct cl_events *events, const char *name, const char *text,
                       size_t length, struct cl_err *err)
{
    if (cl_buf_format(&events->out, err, ",\"%s\":", name) < 0)
        return -1;
    return cl_json_put_string(&events->out, text, length, err);
}

/* How many bytes at `at` would end a line for some reader, and what stands for them. Raw
 * control bytes occur in JSON only between tokens; the others only inside strings. */
static size_t line_end(const char *at, size_t left, const char **instead)
{
    const unsigned char *c = (const unsigned char *)at;

    if (c[0] < 0x20) {
        *instead = " ";
        return 1;
    }
    if (c[0] == 0xc2 && left >= 2 && c[1] == 0x85) {
        *instead = "\\u0085";
        return 2;
    }
    if (c[0] == 0xe2 && left >= 3 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) {
        *instead = c[2] == 0xa8 ? "\\u2028" : "\\u2029";
        return 3;
    }
    return 0;
}

static int put_line(struct cl_buf *out, const char *text, size_t length, struct cl_err *err)
{
    size_t done = 0;

    for (size_t at = 0; at < length;) {
        const char *instead = NULL;
        const size_t skip = line_end(text + at, length - at, &instead);

        if (skip == 0) {
            at++;
            continue;
        }
        if (cl_buf_put(out, text + done, at - done, err) < 0 ||
            cl_buf_put_text(out, instead, err) < 0)
            return -1;
        at += skip;
        done = at;
    }
    return cl_buf_put(out, text + done, length - done, err);
}

int cl_events_put_json(struct cl_events *events, const char *name, struct cl_json value,
                       struct cl_err *err)
{
    if (cl_buf_format(&events->out, err, ",\"%s\":", name) < 0)
        return -1;
    return put_line(&events->out, value.text, value.length, err);
}

int cl_events_splice(struct cl_events *events, const char *text, size_t length,
                     struct cl_err *err)
{
    if (cl_buf_put(&events->out, ",", 1, err) < 0)
        return -1;
    return put_line(&events->out, text, length, err);
}

int cl_events_put_members(struct cl_events *events, struct cl_json object, struct cl_err *err)
{
    struct cl_json key;
    struct cl_json value;
    size_t cursor = 0;

    if (!cl_json_next(object, &cursor, &key, &value))
        return 0;
    return cl_events_splice(events, object.text + 1, object.length - 2, err);
}

const char *cl_events_type(enum cl_events_form form)
{
    return form == CL_EVENTS_SSE ? "text/event-stream" : "application/x-ndjson";
}
