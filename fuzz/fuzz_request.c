/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of POST /v1/calls and /v1/eval. Whatever is taken is a row of whole frames that a worker may read.
 * Runs in: tests only.
 * Trusts: nothing; the first byte picks the policy.
 */
#include <sodium.h>
#include <string.h>

#include "api/calls/request.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* CALL first, GO last and once, every frame within its cap. */
static void check_frames(const struct cl_request *request)
{
    size_t at = 0;
    uint32_t last = 0;

    while (at < request->frames.length) {
        struct cl_err err = CL_ERR_INIT;
        struct cl_frame head;

        CL_CHECK(request->frames.length - at >= sizeof(head));
        memcpy(&head, request->frames.bytes + at, sizeof(head));
        CL_CHECK(cl_frame_check(&head, false, &err) == 0);
        CL_CHECK((at == 0) == (head.type == CL_F_CALL) && last != CL_F_GO);
        at += sizeof(head);
        CL_CHECK(request->frames.length - at >= head.length);
        at += head.length;
        last = head.type;
    }
    CL_CHECK(last == CL_F_GO);
}

static void check_limits(const struct cl_request *request, const struct cl_policy *policy)
{
    CL_CHECK(request->limits.value[CL_LIMIT_WALL] <= policy->wall_ms);
    CL_CHECK(request->limits.value[CL_LIMIT_CPU] <= policy->cpu_ms);
    CL_CHECK(request->limits.value[CL_LIMIT_MEMORY] <= policy->memory_bytes);
    CL_CHECK(request->limits.value[CL_LIMIT_PROCESSES] <= policy->processes);
    CL_CHECK(request->limits.value[CL_LIMIT_OUTPUT] <= policy->output_bytes);
    CL_CHECK(request->limits.value[CL_LIMIT_RESULT] <= policy->result_bytes);
    CL_CHECK(request->limits.value[CL_LIMIT_FILES] <= policy->files_bytes);
    CL_CHECK(request->limits.value[CL_LIMIT_WALL] > 0);
    CL_CHECK(!request->needs_files || policy->files_bytes > 0);
    CL_CHECK(request->files_bytes <= policy->files_bytes || !request->needs_files);
}

static void check_refusal(const struct cl_refusal *refusal)
{
    CL_CHECK(cl_refusal_row(refusal->kind)->status >= 400);
    CL_CHECK(memchr(refusal->pointer, '\0', sizeof(refusal->pointer)));
    CL_CHECK(refusal->pointer[0] == '\0' || refusal->pointer[0] == '/');
}

/* An expression never grows past its cap, and comes as the call's source. */
static void check_eval(const uint8_t *bytes, size_t length, const struct cl_policy *policy)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (cl_request_parse_eval(&request, (const char *)bytes, length, &refusal) < 0 ||
        cl_request_seal(&request, policy, CL_CALL_EVAL, &refusal) < 0) {
        check_refusal(&refusal);
        return;
    }
    CL_CHECK(!request.needs_files && request.metadata.length == 0);
    check_frames(&request);
    check_limits(&request, policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct policy_sample sample;

    if (length == 0 || sodium_init() < 0)
        return 0;
    policy_sample_init(&sample);
    sample.head.files_bytes = bytes[0] & 1 ? 1 << 20 : 0;
    check_eval(bytes + 1, length - 1, &sample.head);
    if (cl_request_parse(&request, (const char *)bytes + 1, length - 1, &refusal) < 0 ||
        cl_request_put_env(&request, "TRACEPARENT", "00", &refusal) < 0 ||
        cl_request_seal(&request, &sample.head, 0, &refusal) < 0) {
        check_refusal(&refusal);
        return 0;
    }
    check_frames(&request);
    check_limits(&request, &sample.head);
    return 0;
}
