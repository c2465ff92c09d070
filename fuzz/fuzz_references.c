/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: a line of text with values behind it, both anything. What comes out is JSON, stays
 * within its cap, and a text without a dollar sign comes out as it was. Pieces cover the text.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <string.h>

#include "api/workflow/references.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct cl_reference_value value_of(void *self, int task)
{
    const struct cl_json *values = self;

    return (struct cl_reference_value){ values[task],
                                        task ? (struct cl_json){ "", 0 } : values[task] };
}

static void check_pieces(const char *text, size_t length)
{
    struct cl_piece piece;
    size_t at = 0, seen = 0;

    while (cl_piece_next(text, length, &at, &piece) != CL_PIECE_END) {
        CL_CHECK(piece.length > 0 && piece.text == text + seen);
        seen += piece.length;
        CL_CHECK(seen == at);
        if (piece.kind != CL_PIECE_REFERENCE)
            continue;
        CL_CHECK(piece.path_length > 0 && piece.text[piece.length - 1] == '}');
        CL_CHECK(piece.path + piece.path_length < piece.text + piece.length);
        cl_path_is_sound(piece.path, piece.path_length);
    }
    CL_CHECK(seen == length);
}

static void check_replaced(struct cl_json text, struct cl_json *values, bool keeps_unknown)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(16 << 20);
    struct cl_names CL_AUTO(cl_names_fini) names = CL_NAMES_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(16 << 20);
    struct cl_err err = CL_ERR_INIT;

    cl_names_init(&names, 3);
    cl_names_add(&names, "a", "first one");
    cl_names_add(&names, "b", "a");
    cl_names_add(&names, "a.b", "a.b");
    cl_names_sort(&names);
    const struct cl_references references = { &names, value_of, values, 1, keeps_unknown };
    if (cl_references_put(&references, text, &out, &err) < 0) {
        CL_CHECK(err.kind == CL_E_INPUT || err.kind == CL_E_LIMIT);
        return;
    }
    if (cl_json_check((char *)out.bytes, out.length, &caps, NULL, NULL, &err) < 0)
        CL_CHECK(err.kind == CL_E_LIMIT); /* values may nest deeper than one text may */
    if (!memchr(text.text, '$', text.length) && !memchr(text.text, '\\', text.length))
        CL_CHECK(out.length == text.length && memcmp(out.bytes, text.text, out.length) == 0);
}

static void check_dump(struct cl_json value)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(16 << 20);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(16 << 20);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_references_dump(value, &out, &err) == 0);
    CL_CHECK(cl_json_check((char *)out.bytes, out.length, &caps, NULL, NULL, &err) == 0);
}

/* TEMPLATE NEWLINE VALUE, both JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct cl_json_caps caps = { 1 << 20, 1 << 16, 60, 256 };
    const char *text = (const char *)bytes;
    const char *line = length ? memchr(text, '\n', length) : NULL;
    const size_t first = line ? (size_t)(line - text) : length;
    struct cl_json template, value = { "", 0 };
    struct cl_err err = CL_ERR_INIT;

    check_pieces(text, length);
    if (cl_json_check(text, first, &caps, &template, NULL, &err) < 0)
        return 0;
    if (line && cl_json_check(line + 1, length - first - 1, &caps, &value, NULL, &err) == 0)
        check_dump(value);
    else
        value = (struct cl_json){ "", 0 };
    struct cl_json values[3] = { value, value, { "{\"result\":[1,{\"k\":null}]}", 25 } };
    check_replaced(template, values, false);
    check_replaced(template, values, true);
    return 0;
}
