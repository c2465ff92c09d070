/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job socket that says anything until the worker gives up or has its call.
 * Runs in: tests only.
 * Trusts: nothing; the whole input is what the socket holds before it ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/intake.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { INPUT_MAX = 64 << 10 }; /* what a socket takes without a reader */

static struct cl_intake intake;
static struct cl_call call;

static void count_probe(const struct cl_frame_probe *probe)
{
    CL_CHECK(probe != NULL);
}

static void drop(struct cl_bytes *text)
{
    CL_CHECK(!text->bytes || text->bytes[text->length] == '\0');
    free((void *)(uintptr_t)text->bytes);
}

static void drop_all(struct cl_bytes *texts, size_t count, size_t most)
{
    CL_CHECK(count <= most);
    for (size_t i = 0; i < count; i++)
        drop(&texts[i]);
}

static void drop_call(void)
{
    drop(&call.source);
    drop(&call.entry);
    drop(&call.args);
    drop(&call.kwargs);
    drop(&call.stdin_text);
    drop_all(call.file_path, call.file_count, CL_CALL_FILES_MAX);
    drop_all(call.file_content, call.file_count, CL_CALL_FILES_MAX);
    drop_all(call.artifact, call.artifact_count, CL_CALL_ARTIFACTS_MAX);
    drop_all(call.env, call.env_count, CL_CALL_ENV_MAX);
    drop_all(call.module_name, call.module_count, CL_CALL_MODULES_MAX);
    drop_all(call.module_source, call.module_count, CL_CALL_MODULES_MAX);
    drop_all(call.module_code, call.module_count, CL_CALL_MODULES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;
    int pair[2];

    if (length > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 0;
    CL_CHECK(length == 0 || write(pair[1], bytes, length) == (ssize_t)length);
    close(pair[1]);
    memset(&intake, 0, sizeof(intake));
    memset(&call, 0, sizeof(call));
    intake.fd = pair[0];

    int got = cl_intake_call(&intake, &call, count_probe, &err);
    CL_CHECK(got >= 0 || (err.kind != CL_E_NONE && err.text[0] != '\0'));
    CL_CHECK(got != 1 || call.head.depth <= CL_DEPTH_MAX);
    CL_CHECK(got != 1 || call.source.bytes ||
             ((call.head.flags & CL_CALL_FUNCTION) && call.entry.bytes && call.module_count));
    drop_call();
    close(pair[0]);
    return 0;
}
