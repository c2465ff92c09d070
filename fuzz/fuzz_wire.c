/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame heads and control messages as a broken peer would send them.
 * Runs in: tests only.
 * Trusts: nothing; byte 0 picks the check and the way, byte 1 the number of descriptors.
 */
#include <stdint.h>
#include <string.h>

#include "sandbox/base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_frame(const uint8_t *bytes, size_t length, bool from_worker)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_frame frame;

    if (length < sizeof(frame))
        return;
    memcpy(&frame, bytes, sizeof(frame));
    if (cl_frame_check(&frame, from_worker, &err) < 0) {
        CL_CHECK(err.kind == CL_E_LOST && err.text[0] != '\0');
        return;
    }
    CL_CHECK(frame.length <= CL_FRAME_OUT_MAX || frame.length <= CL_FRAME_IN_MAX);
    CL_CHECK(!cl_frame_is_final(frame.type) || from_worker);
}

/* What passed the check must have all its texts terminated: read them to the end. */
static void read_texts(const union cl_msg_any *msg)
{
    size_t sum = 0;

    switch (msg->head.type) {
    case CL_M_POLICY:
        sum = strlen(msg->policy.name);
        break;
    case CL_M_TENANT:
        sum = strlen(msg->tenant.name);
        break;
    case CL_M_FAILED:
        sum = strlen(msg->failed.err.file) + strlen(msg->failed.err.text);
        break;
    case CL_M_SOURCE:
        sum = strlen(msg->source.name);
        break;
    case CL_M_COMPILED:
        sum = strlen(msg->compiled.name);
        break;
    case CL_M_REFUSED:
        sum = strlen(msg->refused.name) + strlen(msg->refused.text);
        break;
    default:
        break;
    }
    CL_CHECK(sum < CL_MSG_MAX);
}

static void check_msg(const uint8_t *bytes, size_t length, size_t fd_count, enum cl_msg_way way)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;

    memset(&msg, 0xff, sizeof(msg));
    memcpy(&msg, bytes, length < sizeof(msg) ? length : sizeof(msg));
    if (cl_msg_check(&msg, length, fd_count, way, &err) < 0) {
        CL_CHECK(err.kind == CL_E_LOST && err.text[0] != '\0');
        return;
    }
    CL_CHECK(length == msg.head.length && strcmp(cl_msg_name(msg.head.type), "unknown") != 0);
    if (msg.head.type == CL_M_FAILED) {
        cl_err_distrust(&msg.failed.err);
        CL_CHECK(strcmp(cl_err_kind_name(msg.failed.err.kind), "unknown") != 0);
    }
    read_texts(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;

    unsigned picked = bytes[0] % 8;
    if (picked >= CL_WAY_API_TO_CLOCHED && picked <= CL_WAY_LOADER_TO_CLOCHED)
        check_msg(bytes + 2, length - 2, bytes[1] % 16, (enum cl_msg_way)picked);
    else
        check_frame(bytes + 2, length - 2, picked == 0);
    return 0;
}
