/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled policy as a taken-over cloche-policyc would write it. What passes the checks is
 * read to its last byte, as its readers do.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_texts(const struct cl_policy *policy, const struct cl_policy_span *span)
{
    const char *end = (const char *)policy + span->offset + span->length;
    const char *text = cl_policyview_text(policy, span, NULL);
    uint32_t count = 0;

    for (; text; text = cl_policyview_text(policy, span, text)) {
        CL_CHECK(text + strlen(text) < end);
        count++;
    }
    CL_CHECK(count == span->count);
}

static void read_records(const struct cl_policy *policy, const struct cl_policy_span *span)
{
    const uint8_t *records = cl_policyview_records(policy, span);
    volatile uint8_t sum = 0;

    for (uint32_t i = 0; i < span->length; i++)
        sum = (uint8_t)(sum + records[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_policyview_check(bytes, length, &err) < 0) {
        CL_CHECK(err.kind == CL_E_INPUT && err.text[0] != '\0');
        return 0;
    }

    /* Readers get a mapping, so an aligned one. */
    cl_free_auto struct cl_policy *policy = malloc(length);
    CL_CHECK(policy);
    memcpy(policy, bytes, length);
    read_texts(policy, &policy->modules);
    read_texts(policy, &policy->preload);
    read_texts(policy, &policy->names);
    read_texts(policy, &policy->builtins_removed);
    read_texts(policy, &policy->binds);
    read_texts(policy, &policy->description);
    read_records(policy, &policy->filter);
    read_records(policy, &policy->filter_zygote);
    read_records(policy, &policy->syscalls);
    return 0;
}
