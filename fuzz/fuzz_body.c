/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Body framing: the first byte is a length, or 255 for chunks. In pieces of any size the same
 * bytes give the same content, the same end and the same fault.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1/body.h"
#include "sandbox/base/own.h"

enum { MOST = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct outcome {
    int status;
    size_t used;
    size_t content_length;
    char content[MOST];
};

static void run(struct outcome *out, const char *bytes, size_t length, struct cl_body body,
                size_t step)
{
    struct cl_http_fault fault = { 0, NULL };

    *out = (struct outcome){ 0 };
    while (out->used < length && !cl_body_is_complete(&body)) {
        size_t left = length - out->used, run_length;
        const char *run_start;
        ssize_t taken = cl_body_next(&body, bytes + out->used, left < step ? left : step,
                                     &run_start, &run_length, &fault);
        if (taken < 0) {
            out->status = fault.status;
            return;
        }
        CL_CHECK(taken > 0 && (size_t)taken <= left);
        CL_CHECK(run_start >= bytes && run_start + run_length <= bytes + length);
        CL_CHECK(run_length <= MOST - out->content_length);
        memcpy(out->content + out->content_length, run_start, run_length);
        out->content_length += run_length;
        out->used += (size_t)taken;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct outcome whole, pieces;
    struct cl_body body;

    if (length == 0)
        return 0;
    if (bytes[0] == 255)
        cl_body_init_chunked(&body, MOST);
    else
        cl_body_init_length(&body, bytes[0]);
    run(&whole, (const char *)bytes + 1, length - 1, body, SIZE_MAX);
    for (size_t step = 1; step <= 3; step++) {
        run(&pieces, (const char *)bytes + 1, length - 1, body, step);
        CL_CHECK(whole.status == pieces.status);
        CL_CHECK(whole.status || whole.used == pieces.used);
        CL_CHECK(whole.content_length == pieces.content_length);
        CL_CHECK(memcmp(whole.content, pieces.content, whole.content_length) == 0);
    }
    return 0;
}
