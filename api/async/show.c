/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What callers read of a stored call.
 * Runs in: cloche-api, also on its store thread.
 * Trusts: envelopes, which are ours; function names passed the grammar of requests.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/utc.h"

static const char *const states[] = {
    [CL_STORE_QUEUED] = "queued",
    [CL_STORE_RUNNING] = "running",
    [CL_STORE_DONE] = "done",
};

const char *const cl_async_priorities[] = { "high", "normal", "low", NULL };

bool cl_async_is_id(const char *text)
{
    return strlen(text) == CL_ULID_SIZE - 1 &&
           strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == CL_ULID_SIZE - 1;
}

const char *cl_async_state_name(enum cl_store_state state)
{
    return states[state];
}

int32_t cl_async_stored_priority(unsigned lane)
{
    return 1 - (int32_t)lane;
}

unsigned cl_async_lane(int32_t stored)
{
    return stored > 0 ? 0 : stored < 0 ? 2 : 1;
}

static int put_time(const char *name, int64_t us, struct cl_buf *out, struct cl_err *err)
{
    char text[CL_UTC_SIZE];

    if (us == 0)
        return cl_buf_format(out, err, ",\"%s\":null", name);
    return cl_buf_format(out, err, ",\"%s\":\"%sZ\"", name, cl_utc_text(us, 3, text));
}

static int put_function(const char *function, struct cl_buf *out, struct cl_err *err)
{
    if (!function[0])
        return cl_buf_put_text(out, ",\"function\":null", err);
    if (cl_buf_put_text(out, ",\"function\":", err) < 0)
        return -1;
    return cl_json_put_string(out, function, strlen(function), err);
}

static int put_common(const struct cl_store_call *call, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_format(out, err, "{\"id\":\"%s\",\"status\":\"%s\"", call->id,
                      states[call->state]) < 0 ||
        put_function(call->function, out, err) < 0 ||
        cl_buf_format(out, err, ",\"priority\":\"%s\",\"attempts\":%" PRIu32,
                      cl_async_priorities[cl_async_lane(call->priority)], call->attempts) < 0 ||
        put_time("created", call->created_us, out, err) < 0 ||
        put_time("started", call->started_us, out, err) < 0)
        return -1;
    return put_time("ended", call->ended_us, out, err);
}

int cl_async_show_row(const struct cl_store_call *call, struct cl_buf *out, struct cl_err *err)
{
    if (put_common(call, out, err) < 0 || cl_buf_put_text(out, ",\"policy\":", err) < 0 ||
        cl_json_put_string(out, call->policy, strlen(call->policy), err) < 0)
        return -1;
    if (call->state != CL_STORE_DONE)
        return cl_buf_put_text(out, ",\"verdict\":null}", err);
    return cl_buf_format(out, err, ",\"verdict\":\"%s\"}", call->verdict);
}

/* The envelope's members follow, but for its id, which came first. */
int cl_async_show(const struct cl_store_call *call, struct cl_buf *out, struct cl_err *err)
{
    const char *envelope = call->envelope.bytes;
    char head[CL_ULID_SIZE + 8];
    const size_t skip = (size_t)snprintf(head, sizeof(head), "{\"id\":\"%s\"", call->id);

    if (put_common(call, out, err) < 0)
        return -1;
    if (call->state != CL_STORE_DONE)
        return cl_buf_put(out, "}", 1, err);
    if (call->envelope.length <= skip || memcmp(envelope, head, skip) != 0)
        return cl_fail(err, CL_E_LOST, "the stored answer of %s is damaged", call->id);
    return cl_buf_put(out, envelope + skip, call->envelope.length - skip, err);
}
