/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP statuses, what kind of error becomes which, and problem details as JSON.
 * Runs in: cloche-api.
 * Trusts: slug, title and extra, which are ours; detail may quote a caller and is escaped.
 */
#include "api/status.h"

#include <string.h>

#include "api/json/scan.h"
#include "sandbox/base/own.h"

static const struct cl_status statuses[] = {
    /* sorted by code */
    { 100, "Continue", NULL, NULL, 0 },
    { 200, "OK", NULL, NULL, 0 },
    { 201, "Created", NULL, NULL, 0 },
    { 202, "Accepted", NULL, NULL, 0 },
    { 204, "No Content", NULL, NULL, 0 },
    { 304, "Not Modified", NULL, NULL, 0 },
    { 400, "Bad Request", "malformed", "The request is malformed", 0 },
    { 401, "Unauthorized", "unauthorized", "A valid token is needed", 0 },
    { 403, "Forbidden", "forbidden", "The policy does not permit this", 0 },
    { 404, "Not Found", "not-found", "There is nothing here", 0 },
    { 405, "Method Not Allowed", "method-not-allowed", "This method has no meaning here", 0 },
    { 406, "Not Acceptable", "not-acceptable", "No acceptable form of the answer", 0 },
    { 408, "Request Timeout", "timeout", "The request took too long to arrive", 0 },
    { 409, "Conflict", "conflict", "The request conflicts with the present state", 0 },
    { 410, "Gone", "gone", "This is no longer kept", 0 },
    { 411, "Length Required", "length-required", "A body is needed here", 0 },
    { 412, "Precondition Failed", "precondition-failed", "A precondition does not hold", 0 },
    { 413, "Content Too Large", "too-large", "The request is too large", 0 },
    { 414, "URI Too Long", "target-too-long", "The request target is too long", 0 },
    { 415, "Unsupported Media Type", "media-type", "This media type is not understood", 0 },
    { 417, "Expectation Failed", "expectation", "The expectation cannot be met", 0 },
    { 422, "Unprocessable Content", "unprocessable", "The content cannot be processed", 0 },
    { 428, "Precondition Required", "precondition-required", "A precondition is needed", 0 },
    { 429, "Too Many Requests", "too-many-requests", "The quota is used up for now", 1 },
    { 431, "Request Header Fields Too Large", "head-too-large", "The head is too large", 0 },
    { 500, "Internal Server Error", "internal", "Something failed here", 0 },
    { 501, "Not Implemented", "not-implemented", "This is not implemented", 0 },
    { 502, "Bad Gateway", "lost", "A part of the service broke its protocol", 1 },
    { 503, "Service Unavailable", "unavailable", "The service cannot take this now", 1 },
    { 504, "Gateway Timeout", "late", "A part of the service did not answer in time", 1 },
    { 505, "HTTP Version Not Supported", "http-version", "This version of HTTP is not spoken",
      0 },
    { 507, "Insufficient Storage", "store-full", "There is no room to keep this", 0 },
};

static const struct {
    int status;
    bool may_tell;
} kinds[] = {
    [CL_E_NONE] = { 500, false }, [CL_E_INPUT] = { 400, true }, [CL_E_DENIED] = { 403, true },
    [CL_E_LIMIT] = { 413, true }, [CL_E_BUSY] = { 503, true },  [CL_E_LOST] = { 503, false },
    [CL_E_SYS] = { 500, false },
};

const struct cl_status *cl_status_of(int code)
{
    const struct cl_status *fallback = NULL;

    for (size_t i = 0; i < CL_COUNT(statuses); i++) {
        if (statuses[i].code == code)
            return &statuses[i];
        if (statuses[i].code == 500)
            fallback = &statuses[i];
    }
    return fallback;
}

int cl_status_of_kind(uint32_t kind)
{
    return kind < CL_COUNT(kinds) ? kinds[kind].status : 500;
}

bool cl_status_may_tell(uint32_t kind)
{
    return kind < CL_COUNT(kinds) && kinds[kind].may_tell;
}

static int put_member(struct cl_buf *out, const char *name, const char *text,
                      struct cl_err *err)
{
    if (cl_buf_put_text(out, name, err) < 0)
        return -1;
    return cl_json_put_string(out, text, strlen(text), err);
}

int cl_status_format(struct cl_buf *out, const struct cl_problem *problem, struct cl_err *err)
{
    const struct cl_status *row = cl_status_of(problem->status);
    const char *slug = problem->slug ? problem->slug : row->slug ? row->slug : "internal";
    const char *title = problem->title ? problem->title : row->title ? row->title : row->reason;

    if (cl_buf_format(out, err, "{\"type\":\"urn:cloche:problem:%s\"", slug) < 0 ||
        put_member(out, ",\"title\":", title, err) < 0 ||
        cl_buf_format(out, err, ",\"status\":%d", problem->status) < 0)
        return -1;
    if (problem->detail && put_member(out, ",\"detail\":", problem->detail, err) < 0)
        return -1;
    if (problem->extra && problem->extra[0] &&
        (cl_buf_put_text(out, ",", err) < 0 || cl_buf_put_text(out, problem->extra, err) < 0))
        return -1;
    return cl_buf_put_text(out, "}", err);
}
