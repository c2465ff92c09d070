/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of python/v1: requests in, responses out.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is the caller's.
 */
#include "api/pythonv1/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

static const char own_protocol[] = "python/v1";

static int refuse(struct cl_v1_item *item, const char *what)
{
    return cl_v1_fail(&item->fault, CL_V1_REQUEST, "Invalid Request: %s", what);
}

/* ------------------------------------------------------------------------------- members */

static int read_version(struct cl_v1_item *item, struct cl_json value)
{
    item->is_jsonrpc = true;
    if (cl_json_kind(value) == CL_JSON_STRING && cl_json_is(value, "2.0"))
        return 0;
    return refuse(item, "'jsonrpc' must be \"2.0\"");
}

static int read_id(struct cl_v1_item *item, struct cl_json value)
{
    const enum cl_json_kind kind = cl_json_kind(value);

    if (kind != CL_JSON_STRING && kind != CL_JSON_NUMBER && kind != CL_JSON_NULL)
        return refuse(item, "'id' must be a string, a number or null");
    item->id = value;
    return 0;
}

static int read_method(struct cl_v1_item *item, struct cl_json value)
{
    if (cl_json_kind(value) != CL_JSON_STRING)
        return refuse(item, "'method' must be a string");
    cl_v1_plain(value, item->method, sizeof(item->method));
    if (strncmp(item->method, "rpc.", strlen("rpc.")) == 0)
        return refuse(item, "names that start with 'rpc.' are reserved");
    return 0;
}

static int read_params(struct cl_v1_item *item, struct cl_json value)
{
    item->params = value;
    return 0;
}

static int read_task(struct cl_v1_item *item, struct cl_json value)
{
    if (cl_json_kind(value) != CL_JSON_STRING ||
        !cl_v1_plain(value, item->task_id, sizeof(item->task_id)) || !item->task_id[0])
        return refuse(item, "'task_id' must be a string of 1 to 200 bytes");
    return 0;
}

static int read_timeout(struct cl_v1_item *item, struct cl_json value)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t seconds = 0;

    if (cl_json_kind(value) == CL_JSON_NULL)
        return 0;
    if (cl_json_kind(value) != CL_JSON_NUMBER || cl_json_u64(value, &seconds, &err) < 0 ||
        seconds < 1 || seconds > CL_V1_TIMEOUT_MAX)
        return refuse(item, "'timeout' must be a whole number of seconds, 1 to 3600");
    item->timeout_s = (uint32_t)seconds;
    return 0;
}

/* `protocol` needs the method for its message, so it is looked at when all are known. */
static int read_protocol(struct cl_v1_item *item, struct cl_json value)
{
    if (cl_json_kind(value) == CL_JSON_STRING)
        return 0;
    return refuse(item, "'protocol' must be a string");
}

static const struct {
    const char *key;
    int (*read)(struct cl_v1_item *item, struct cl_json value);
} members[] = {
    { "jsonrpc", read_version },   { "id", read_id },
    { "method", read_method },     { "params", read_params },
    { "protocol", read_protocol }, { "task_id", read_task },
    { "timeout", read_timeout },
};

static int read_member(struct cl_v1_item *item, struct cl_json key, struct cl_json value)
{
    char name[CL_V1_WORD_MAX];

    for (size_t i = 0; i < CL_COUNT(members); i++) {
        if (cl_json_is(key, members[i].key))
            return members[i].read(item, value);
    }
    cl_v1_plain(key, name, sizeof(name));
    return cl_v1_fail(&item->fault, CL_V1_REQUEST, "Invalid Request: unknown key '%s'", name);
}

/* --------------------------------------------------------------------------------- items */

static int check_protocol(struct cl_v1_item *item, struct cl_json protocol)
{
    char name[CL_V1_PROTOCOL_MAX];

    if (cl_json_kind(protocol) == CL_JSON_NONE || cl_json_is(protocol, own_protocol))
        return 0;
    cl_v1_plain(protocol, name, sizeof(name));
    return cl_v1_fail(&item->fault, CL_V1_PROVIDER, "No providers available for %s::%s", name,
                      item->method);
}

static int check_whole(struct cl_v1_item *item, struct cl_json object)
{
    const struct cl_json protocol = cl_v1_member(object, "protocol");
    const enum cl_json_kind kind = cl_json_kind(item->params);

    if (!item->is_jsonrpc && cl_json_kind(protocol) == CL_JSON_NONE) {
        item->is_jsonrpc = true;
        return refuse(item, "send \"jsonrpc\": \"2.0\" or \"protocol\": \"python/v1\"");
    }
    if (cl_json_kind(cl_v1_member(object, "method")) == CL_JSON_NONE)
        return refuse(item, "'method' is missing");
    /* From here on it is a request, and one without id is a notification. */
    item->is_silent = item->is_jsonrpc && cl_json_kind(item->id) == CL_JSON_NONE;
    if (check_protocol(item, protocol) < 0)
        return -1;
    if (kind != CL_JSON_NONE && kind != CL_JSON_NULL && kind != CL_JSON_OBJECT)
        return cl_v1_fail(&item->fault, CL_V1_PARAMS, "Parameter 'params' must be an object");
    return 0;
}

static void read_item(struct cl_v1_item *item, struct cl_json object)
{
    struct cl_json key, value;
    size_t cursor = 0;
    bool has_failed = false;

    if (cl_json_kind(object) != CL_JSON_OBJECT) {
        item->is_jsonrpc = true;
        refuse(item, "a request is an object");
        return;
    }
    /* All members, also behind the first fault: the answer needs the id and the form. */
    while (cl_json_next(object, &cursor, &key, &value)) {
        struct cl_v1_fault first = item->fault;

        if (read_member(item, key, value) < 0 && has_failed)
            item->fault = first;
        has_failed = has_failed || item->fault.code;
    }
    if (!has_failed)
        check_whole(item, object);
    else if (cl_json_kind(cl_v1_member(object, "protocol")) == CL_JSON_NONE)
        item->is_jsonrpc = true;
}

/* --------------------------------------------------------------------------------- whole */

static size_t count_elements(struct cl_json array)
{
    struct cl_json key, value;
    size_t cursor = 0, count = 0;

    while (cl_json_next(array, &cursor, &key, &value))
        count++;
    return count;
}

static int read_array(struct cl_v1_batch *batch, struct cl_json body, struct cl_v1_fault *fault)
{
    struct cl_json key, value;
    size_t cursor = 0, at = 0;

    batch->is_array = true;
    batch->count = count_elements(body);
    if (batch->count == 0)
        return cl_v1_fail(fault, CL_V1_REQUEST, "Empty batch request");
    if (batch->count > CL_V1_BATCH_MAX)
        return cl_v1_fail(fault, CL_V1_REQUEST, "A batch has at most %d requests",
                          CL_V1_BATCH_MAX);
    batch->items = calloc(batch->count, sizeof(*batch->items));
    CL_CHECK(batch->items);
    while (cl_json_next(body, &cursor, &key, &value))
        read_item(&batch->items[at++], value);
    return 0;
}

int cl_v1_envelope_parse(struct cl_v1_batch *batch, const char *text, size_t length,
                         struct cl_v1_fault *fault)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(length);
    struct cl_json body;
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    if (length == 0 || cl_json_check(text, length, &caps, &body, &at, &err) < 0) {
        cl_v1_plain_text(err.text, strlen(err.text), fault->reason, sizeof(fault->reason));
        return cl_v1_fail(fault, CL_V1_PARSE, "Parse error");
    }
    if (cl_json_kind(body) == CL_JSON_ARRAY)
        return read_array(batch, body, fault);
    batch->count = 1;
    batch->items = calloc(1, sizeof(*batch->items));
    CL_CHECK(batch->items);
    read_item(&batch->items[0], body);
    return 0;
}

void cl_v1_envelope_fini(struct cl_v1_batch *batch)
{
    free(cl_take_ptr(&batch->items));
    batch->count = 0;
}

int cl_v1_envelope_put(const struct cl_v1_item *item, bool is_error, struct cl_json json,
                       struct cl_buf *out, struct cl_err *err)
{
    const bool has_id = cl_json_kind(item->id) != CL_JSON_NONE;

    if (cl_buf_put_text(out, item->is_jsonrpc ? "{\"jsonrpc\":\"2.0\",\"id\":" : "{", err) < 0)
        return -1;
    if (!item->is_jsonrpc && has_id && cl_buf_put_text(out, "\"id\":", err) < 0)
        return -1;
    if (has_id && cl_buf_put(out, item->id.text, item->id.length, err) < 0)
        return -1;
    if (item->is_jsonrpc && !has_id && cl_buf_put_text(out, "null", err) < 0)
        return -1;
    if ((item->is_jsonrpc || has_id) && cl_buf_put_text(out, ",", err) < 0)
        return -1;
    if (cl_buf_put_text(out, is_error ? "\"error\":" : "\"result\":", err) < 0 ||
        cl_buf_put(out, json.text, json.length, err) < 0)
        return -1;
    return cl_buf_put_text(out, "}", err);
}
