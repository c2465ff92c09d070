/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads: the scan gives the same end in pieces of any size, and whatever the parser
 * takes keeps the promises of exchange.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/field.h"
#include "api/http1/head.h"
#include "api/trace.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct cl_head_caps caps = { 4096, 16 };

static ssize_t scan_in_steps(const char *bytes, size_t length, size_t step)
{
    struct cl_head_scan scan = CL_HEAD_SCAN_INIT;
    struct cl_http_fault fault = { 0, NULL };
    ssize_t end = 0;

    for (size_t seen = step; end == 0 && seen < length; seen += step)
        end = cl_head_scan(&scan, bytes, seen, &caps, &fault);
    return end ? end : cl_head_scan(&scan, bytes, length, &caps, &fault);
}

static void check_text(const char *text, const char *start, const char *end)
{
    CL_CHECK(text >= start && text + strlen(text) < end);
    CL_CHECK(cl_head_is_value(text));
}

/* Read as a list, and from its first space on as what stands behind a media type. */
static void check_value(const char *value)
{
    const char *space = value + strcspn(value, " ");
    const int weight = cl_field_weight(value, "a/b");

    CL_CHECK(weight >= 0 && weight <= CL_FIELD_WEIGHT_MAX);
    if (cl_field_is_utf8(space))
        CL_CHECK(space[strspn(space, " \t")] == '\0' || space[strspn(space, " \t")] == ';');
}

static void check_head(const struct cl_http_head *head, const char *start, const char *end)
{
    CL_CHECK(head->method && cl_head_is_token(head->method));
    check_text(head->path, start, end);
    check_text(head->query, start, end);
    CL_CHECK(head->path[0] == '/' && !strstr(head->path, "//") && !strstr(head->path, "/../"));
    CL_CHECK(!strstr(head->path, "/./") && !strchr(head->path, '\\'));
    CL_CHECK(head->field_count <= caps.fields);
    CL_CHECK(!(head->is_chunked && head->content_length > 0));
    CL_CHECK(head->has_body || head->content_length == 0);
    CL_CHECK(head->is_http10 || cl_head_field(head, "host"));
    CL_CHECK(!cl_head_field(head, "upgrade") && !cl_head_field(head, "content-encoding"));
    for (size_t i = 0; i < head->field_count; i++) {
        check_text(head->fields[i].name, start, end);
        check_text(head->fields[i].value, start, end);
        CL_CHECK(cl_head_is_token(head->fields[i].name));
        check_value(head->fields[i].value);
    }
}

/* What it says of a trace: what is handed on is in a fixed form whatever came in. */
static void check_trace(const struct cl_http_head *head)
{
    cl_free_auto char *trace = cl_trace_of(head);
    cl_free_auto char *branch = cl_trace_branch(trace);
    char id[CL_TRACE_ID_SIZE];

    cl_trace_id(trace, id);
    if (!trace) {
        CL_CHECK(!branch && id[0] == '\0');
        return;
    }
    CL_CHECK(strlen(trace) <= CL_TRACE_MAX && strlen(id) == CL_TRACE_ID_SIZE - 1);
    CL_CHECK(strspn(id, "0123456789abcdef") == strlen(id) && cl_head_is_value(trace));
    CL_CHECK(strncmp(trace, "00-", 3) == 0 && branch && strlen(branch) == strlen(trace));
    CL_CHECK(trace[CL_TRACE_PARENT] == '\0' || cl_trace_is_state(cl_trace_state(trace)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_http_field fields[16];
    struct cl_http_head head;
    struct cl_http_fault fault = { 0, NULL };
    const char *input = (const char *)bytes;
    ssize_t end = scan_in_steps(input, length, length + 1);

    /* The caps are looked at after each piece, so only what is below them has to agree. */
    if (length < caps.bytes)
        CL_CHECK(scan_in_steps(input, length, 1) == end);
    size_t taken = end > 0 ? (size_t)end : length;
    cl_free_auto char *text = malloc(taken ? taken : 1);
    if (taken)
        memcpy(text, bytes, taken);
    int result = cl_head_parse(text, taken, &caps, &head, fields, &fault);
    CL_CHECK(result == 0 || (fault.status >= 400 && fault.status <= 505 && fault.detail));
    if (result == 0)
        check_head(&head, text, text + taken);
    if (result == 0)
        check_trace(&head);
    return 0;
}
