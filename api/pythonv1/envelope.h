/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent to /v1/rpc, read no deeper than routing needs: JSON-RPC 2.0 or the form with
 * `protocol`, one request or an array of them. Values stay the bytes they were. Pure, fuzzed.
 */
#ifndef CL_API_PYTHONV1_ENVELOPE_H
#define CL_API_PYTHONV1_ENVELOPE_H

#include "api/pythonv1/error.h"

enum { CL_V1_BATCH_MAX = 256, CL_V1_WORD_MAX = 128, CL_V1_PROTOCOL_MAX = 64 };

/* Views point into the text. */
struct cl_v1_item {
    struct cl_json id;     /* NONE: it has none */
    struct cl_json params; /* NONE: absent */
    char method[CL_V1_WORD_MAX + 1];
    char task_id[CL_V1_TASK_MAX + 1];
    uint32_t timeout_s;       /* 0: none */
    bool is_jsonrpc;          /* the answer has `jsonrpc` and `id` */
    bool is_silent;           /* a notification that is in order: no answer */
    struct cl_v1_fault fault; /* code 0: it is in order */
};

struct cl_v1_batch {
    struct cl_v1_item *items; /* owned */
    size_t count;
    bool is_array;
};

/* Reads the whole body. -1: it is not JSON, or no request at all, and `fault` is the answer
 * (CL_V1_PARSE or CL_V1_REQUEST); what is wrong with one item is in that item. */
int cl_v1_envelope_parse(struct cl_v1_batch *batch, const char *text, size_t length,
                         struct cl_v1_fault *fault);
void cl_v1_envelope_fini(struct cl_v1_batch *batch);

/* Appends the response to one item: `json` is its result, or its error object. */
int cl_v1_envelope_put(const struct cl_v1_item *item, bool is_error, struct cl_json json,
                       struct cl_buf *out, struct cl_err *err);

#endif
