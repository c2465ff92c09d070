/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An audit log that anybody may have written, fed in pieces whose size the first byte says. What is
 * found good is good in one piece, too.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "api/audit/verify.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static size_t lines; /* that were told of, in the check that runs */

static void check_line(void *self, const char *line, size_t length)
{
    (void)self;
    CL_CHECK(length > 0 && length < CL_AUDIT_LINE_MAX && !memchr(line, '\n', length));
    lines++;
}

static int check(const char *text, size_t length, size_t piece, struct cl_verify *verify)
{
    struct cl_err err = CL_ERR_INIT;

    cl_verify_init(verify);
    verify->on_line = check_line;
    lines = 0;
    for (size_t at = 0; at < length; at += piece) {
        if (cl_verify_feed(verify, text + at, length - at < piece ? length - at : piece, &err) <
            0) {
            CL_CHECK(err.kind == CL_E_INPUT && err.text[0]);
            return -1;
        }
    }
    CL_CHECK(lines == verify->lines);
    return cl_verify_end_file(verify, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_verify whole, pieces;

    if (length < 1)
        return 0;
    cl_free_auto char *copy = malloc(length); /* ends where its block does */
    CL_CHECK(copy);
    memcpy(copy, bytes + 1, length - 1);
    const int one = check(copy, length - 1, length, &whole);
    const int many = check(copy, length - 1, (size_t)bytes[0] + 1, &pieces);
    CL_CHECK(one == many && whole.lines == pieces.lines && whole.seq == pieces.seq &&
             memcmp(whole.head, pieces.head, sizeof(whole.head)) == 0);
    return 0;
}
