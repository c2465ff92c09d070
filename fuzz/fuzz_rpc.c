/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body of /v1/rpc: whatever it is, each request gets a plan or a fault, never both, and every
 * response that is written is one valid JSON value with the id that came.
 */
#include <stdint.h>
#include <string.h>

#include "api/pythonv1/envelope.h"
#include "api/pythonv1/plan.h"
#include "sandbox/base/own.h"

enum { BODY_MAX = 64 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_valid(const struct cl_buf *text)
{
    const struct cl_json_caps caps = { 16 << 20, 1 << 20, 68, 65536 };
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_json_check((const char *)text->bytes, text->length, &caps, NULL, NULL, &err) ==
             0);
}

static void check_fault(const struct cl_v1_item *item, const struct cl_v1_fault *fault)
{
    struct cl_buf CL_AUTO(cl_buf_fini) json = CL_BUF_INIT(64 << 10);
    struct cl_buf CL_AUTO(cl_buf_fini) answer = CL_BUF_INIT(16 << 20);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json view;

    CL_CHECK(fault->code < 0 && fault->message[0]);
    CL_CHECK(cl_v1_fault_put(fault, &json, &err) == 0);
    check_valid(&json);
    view = (struct cl_json){ (const char *)json.bytes, json.length };
    CL_CHECK(cl_v1_envelope_put(item, true, view, &answer, &err) == 0);
    check_valid(&answer);
    if (item->id.length)
        CL_CHECK(memmem(answer.bytes, answer.length, item->id.text, item->id.length));
}

/* What a plan promises to those who build frames of it. */
static void check_plan(const struct cl_v1_plan *plan)
{
    CL_CHECK(strlen(plan->name) <= CL_V1_NAME_MAX && strlen(plan->file) <= CL_V1_NAME_MAX);
    CL_CHECK(!strstr(plan->file, "..") && plan->file[0] != '/');
    if (plan->operation == CL_V1_REGISTER)
        CL_CHECK(plan->kind && cl_json_kind(plan->part[0]) == CL_JSON_STRING);
    if (plan->operation == CL_V1_EVAL)
        CL_CHECK(cl_json_kind(plan->text) == CL_JSON_STRING);
    if (plan->operation == CL_V1_CODE)
        CL_CHECK((plan->text.length > 0) != (plan->file[0] != '\0') || !plan->file[0]);
    CL_CHECK(plan->timeout_s <= 300);
}

static void check_item(const struct cl_v1_item *item)
{
    struct cl_v1_fault fault = { 0 };
    struct cl_v1_plan plan;

    if (item->fault.code) {
        check_fault(item, &item->fault);
        return;
    }
    CL_CHECK(item->timeout_s <= CL_V1_TIMEOUT_MAX);
    if (cl_v1_plan_make(&plan, item->method, item->params, &fault) == 0)
        check_plan(&plan);
    else
        check_fault(item, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_v1_batch CL_AUTO(cl_v1_envelope_fini) batch = { 0 };
    struct cl_v1_fault fault = { 0 };
    const struct cl_v1_item nobody = { .is_jsonrpc = true };

    if (length > BODY_MAX)
        return 0;
    if (cl_v1_envelope_parse(&batch, (const char *)bytes, length, &fault) < 0) {
        check_fault(&nobody, &fault);
        return 0;
    }
    CL_CHECK(batch.count > 0 && batch.count <= CL_V1_BATCH_MAX);
    for (size_t i = 0; i < batch.count; i++)
        check_item(&batch.items[i]);
    return 0;
}
