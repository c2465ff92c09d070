/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read for stored calls: queries of callers; events and calls as the store gives them back,
 * which may be damaged. The first byte says which.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "api/query.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A copy that ends where its block does, so that a sanitizer sees one byte too many. */
static char *copy_of(const uint8_t *bytes, size_t length, bool is_text)
{
    char *copy = malloc(length + is_text + (length + is_text == 0));

    CL_CHECK(copy);
    memcpy(copy, bytes, length);
    if (is_text)
        copy[length] = '\0';
    return copy;
}

static void try_query(const uint8_t *bytes, size_t length)
{
    struct cl_query known[] = { { .name = "wait" }, { .name = "limit" }, { .name = "detach" } };
    cl_free_auto char *text = copy_of(bytes, length, true);
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    uint64_t number = 7, ms = 7;
    bool flag = false;

    if (cl_query_parse(text, known, CL_COUNT(known), &refusal) < 0) {
        CL_CHECK(refusal.kind == CL_R_MALFORMED && refusal.detail[0]);
        return;
    }
    for (size_t i = 0; i < CL_COUNT(known); i++) {
        CL_CHECK(strlen(known[i].value) < CL_QUERY_VALUE_MAX);
        CL_CHECK(known[i].is_given || !known[i].value[0]);
        CL_CHECK(!strpbrk(known[i].value, "\r\n\t\x7f"));
    }
    CL_CHECK(cl_query_ms(&known[0], 1000, &ms, &refusal) < 0 || ms <= 1000);
    CL_CHECK(cl_query_u64(&known[1], 1, 500, &number, &refusal) < 0 || number <= 500);
    cl_query_flag(&known[2], &flag, &refusal);
}

/* Whoever has the events up to any one gets the rest, and both together are all of it. */
static void try_replay(const uint8_t *bytes, size_t length)
{
    cl_free_auto char *text = copy_of(bytes, length, false);
    struct cl_buf CL_AUTO(cl_buf_fini) all = CL_BUF_INIT(4 << 20);
    struct cl_buf CL_AUTO(cl_buf_fini) rest = CL_BUF_INIT(4 << 20);
    struct cl_replay whole = { .form = CL_EVENTS_NDJSON };
    struct cl_replay again;
    struct cl_err err = CL_ERR_INIT;
    uint64_t last = 0;

    if (cl_replay_put(&whole, text, length, &all, &err) < 0)
        return;
    CL_CHECK(all.length <= length);
    again = (struct cl_replay){ .form = CL_EVENTS_SSE, .after = whole.after };
    /* Behind an `end` that is not the last nobody looks. */
    if (!whole.is_at_end)
        CL_CHECK(cl_replay_put(&again, text, length, &rest, &err) < 0 || rest.length == 0);
    cl_buf_clear(&rest);
    if (cl_replay_renumber((const char *)all.bytes, all.length, 1, &last, &rest, &err) == 0)
        CL_CHECK(all.length == 0 || (last == whole.after + 1 && rest.length >= all.length));
}

static void try_unpack(const uint8_t *bytes, size_t length)
{
    cl_free_auto char *text = copy_of(bytes, length, false);
    struct cl_buf CL_AUTO(cl_buf_fini) packed = CL_BUF_INIT(length + 4096);
    struct cl_call_sent sent;
    struct cl_err err = CL_ERR_INIT;

    if (cl_async_unpack(text, length, &sent, &err) < 0)
        return;
    CL_CHECK(sent.body + sent.length == text + length);
    if (cl_async_pack(&sent, &packed, &err) == 0)
        CL_CHECK(packed.length == length && memcmp(packed.bytes, bytes, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (bytes[0] % 3 == 0)
        try_query(bytes + 1, length - 1);
    else if (bytes[0] % 3 == 1)
        try_replay(bytes + 1, length - 1);
    else
        try_unpack(bytes + 1, length - 1);
    return 0;
}
