/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command `cloche` reads of a server that may be anybody: answers as JSON, and streams of
 * events, which must show the same whether they come in one piece or in small ones.
 * Runs in: tests only.
 * Trusts: nothing; the first byte says which, and the size of the pieces.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/follow.h"
#include "api/cli/json.h"
#include "sandbox/base/own.h"

enum { ANSWER_MAX = 1 << 20, PIECE_MASK = 63, IS_STREAM = 64, AS_JSON = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What was shown, on both streams together. */
struct shown {
    char *text;
    size_t length;
    int result, code;
};

static void fini(struct shown *shown)
{
    free(shown->text);
}

static void take_pieces(struct cl_follow *follow, const uint8_t *bytes, size_t length,
                        size_t piece, struct shown *shown)
{
    struct cl_err err = CL_ERR_INIT;

    while (length > 0 && shown->result == 0) {
        const size_t part = length < piece ? length : piece;

        shown->result = cl_follow_take(follow, (const char *)bytes, part, &err);
        bytes += part;
        length -= part;
    }
}

static struct shown show(const uint8_t *bytes, size_t length, size_t piece, bool as_json)
{
    struct cl_follow follow = CL_FOLLOW_INIT(as_json);
    FILE *const out = stdout;
    FILE *const errors = stderr;
    struct shown shown = { 0 };
    FILE *to = open_memstream(&shown.text, &shown.length);

    CL_CHECK(to);
    stdout = stderr = to;
    take_pieces(&follow, bytes, length, piece, &shown);
    shown.code = follow.has_ended ? follow.code : -1;
    stdout = out;
    stderr = errors;
    fclose(to);
    cl_follow_fini(&follow);
    return shown;
}

static void try_stream(const uint8_t *bytes, size_t length, size_t piece, bool as_json)
{
    CL_AUTO(fini) struct shown whole = show(bytes, length, length + 1, as_json);
    CL_AUTO(fini) struct shown pieces = show(bytes, length, piece, as_json);

    CL_CHECK(whole.result == pieces.result && whole.code == pieces.code);
    CL_CHECK(whole.length == pieces.length);
    CL_CHECK(memcmp(whole.text, pieces.text, whole.length) == 0);
}

static void try_answer(const uint8_t *bytes, size_t length)
{
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(ANSWER_MAX);
    struct cl_buf CL_AUTO(cl_buf_fini) pretty = CL_BUF_INIT(16 * ANSWER_MAX);
    struct cl_buf CL_AUTO(cl_buf_fini) plain = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (cl_buf_put(&body, bytes, length, &err) < 0 || cl_json_root(&body, &root, &err) < 0)
        return;
    CL_CHECK(cl_json_kind(root) == CL_JSON_OBJECT);
    struct cl_json verdict = cl_json_member(root, "verdict");

    cl_json_plain(verdict, &plain);
    cl_json_has_text(verdict, "ok");
    cl_json_number(cl_json_member(root, "status"));
    if (cl_json_pretty(root, &pretty, &err) == 0)
        CL_CHECK(pretty.length > 0 && cl_json_root(&pretty, &root, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (bytes[0] & IS_STREAM)
        try_stream(bytes + 1, length - 1, 1 + (bytes[0] & PIECE_MASK), bytes[0] & AS_JSON);
    else
        try_answer(bytes + 1, length - 1);
    return 0;
}
