/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inspection of a source by a worker: an errand with the flag INSPECT.
 * Runs in: cloche-api.
 * Trusts: nothing that the worker says; its JSON was checked, its texts are capped here.
 */
#include "api/modules/read.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "api/calls/prepare.h"
#include "api/errand.h"
#include "api/modules/row.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

struct reading {
    char name[CL_MODULE_NAME_MAX + 1];
    cl_modread_done *done;
    void *self;
    struct cl_refusal refusal;
};

static void finish(struct reading *reading, const struct cl_modread *read)
{
    reading->done(reading->self, read);
    free(reading);
}

static bool is_functions(struct cl_json value)
{
    struct cl_json key;
    struct cl_json function;
    size_t cursor = 0;

    if (cl_json_kind(value) != CL_JSON_ARRAY)
        return false;
    while (cl_json_next(value, &cursor, &key, &function)) {
        if (cl_json_kind(cl_modules_member(function, "name")) != CL_JSON_STRING)
            return false;
    }
    return true;
}

/* The worker answered; a native attacker in it may answer anything that is JSON. */
static void read_result(struct reading *reading, struct cl_json result, struct cl_modread *read)
{
    static char fault[CL_MODULE_NAME_MAX + 40];

    read->functions = cl_modules_member(result, "functions");
    read->imports = cl_modules_member(result, "imports");
    read->code = cl_modules_member(result, "code");
    if (!is_functions(read->functions) || cl_json_kind(read->imports) != CL_JSON_ARRAY) {
        read->fault = "reading it gave no answer";
    } else if (cl_json_kind(cl_modules_member(result, "hides")) != CL_JSON_FALSE) {
        snprintf(fault, sizeof(fault), "File name %s hides a module", reading->name);
        read->fault = fault;
    }
}

/* What came instead of a result, as a sentence. */
static const char *fault_of(const struct cl_errand_end *end)
{
    static char fault[200];
    const struct cl_json type = end->text[0];
    const struct cl_json message = end->text[end->verdict == CL_V_ERROR ? 1 : 2];

    switch (end->verdict) {
    case CL_V_ERROR:
        snprintf(
            fault, sizeof(fault), "%.*s: %.*s", (int)type.length, type.text,
            (int)cl_json_utf8_prefix(message.text, message.length < 150 ? message.length : 150),
            message.text);
        return fault;
    case CL_V_LIMIT:
        snprintf(fault, sizeof(fault), "reading it takes more than the policy's limit of %s",
                 cl_limit_name(end->detail->limit) ? cl_limit_name(end->detail->limit) : "");
        return fault;
    case CL_V_CRASHED:
        return "reading it ends the interpreter";
    default:
        return NULL;
    }
}

static void on_end(void *self, const struct cl_errand_end *end)
{
    struct reading *reading = self;
    struct cl_modread read = { .refusal = end->refusal };

    if (!end->refusal && end->verdict == CL_V_OK) {
        read_result(reading, end->result, &read);
    } else if (!end->refusal) {
        read.fault = fault_of(end);
        read.line = end->line;
        read.column = end->column;
        if (!read.fault) {
            cl_refusal_set(&reading->refusal, CL_R_NOT_READY, "reading the source was ended");
            reading->refusal.retry_after_s = 1;
            read.refusal = &reading->refusal;
        }
    }
    finish(reading, &read);
}

static const struct cl_errand_calls errand_calls = { .on_end = on_end };

static int put_frame(struct cl_buf *frames, enum cl_frame_type type, const void *bytes,
                     size_t length, struct cl_err *err)
{
    const struct cl_frame head = cl_frame_make(type, length);

    if (cl_buf_put(frames, &head, sizeof(head), err) < 0)
        return -1;
    return length ? cl_buf_put(frames, bytes, length, err) : 0;
}

/* An empty CALL first: seal fills it. */
static int make_request(struct cl_request *request, const struct cl_policy *policy,
                        const struct cl_modread_ask *ask, struct cl_refusal *refusal)
{
    static const struct cl_frame_call empty;
    const struct cl_json source = ask->source;
    struct cl_err err = CL_ERR_INIT;

    cl_prepare_caller(request, ask->key, ask->peer);
    request->frames.limit = source.length + 1024;
    if (put_frame(&request->frames, CL_F_CALL, &empty, sizeof(empty), &err) < 0 ||
        put_frame(&request->frames, CL_F_ENTRY, ask->name, strlen(ask->name), &err) < 0 ||
        put_frame(&request->frames, CL_F_SOURCE, source.text, source.length, &err) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    return cl_request_seal(request, policy, CL_CALL_INSPECT, refusal);
}

static void on_refused(evutil_socket_t fd, short what, void *arg)
{
    struct reading *reading = arg;
    const struct cl_modread read = { .refusal = &reading->refusal };

    (void)fd;
    (void)what;
    finish(reading, &read);
}

void cl_modread_start(struct cl_app *app, struct cl_pool *pool,
                      const struct cl_modread_ask *ask, cl_modread_done *done, void *self)
{
    static const struct timeval now = { 0, 0 };
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct reading *reading = calloc(1, sizeof(*reading));

    CL_CHECK(reading);
    reading->done = done;
    reading->self = self;
    snprintf(reading->name, sizeof(reading->name), "%s", ask->name);
    if (make_request(&request, pool->policy, ask, &reading->refusal) < 0)
        CL_CHECK(event_base_once(app->base, -1, EV_TIMEOUT, on_refused, reading, &now) == 0);
    else
        cl_errand_start(app, pool, &request, CL_CALL_INSPECT, &errand_calls, reading);
}
