/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for people: look up, unescape, indent, show.
 * Runs in: cloche.
 * Trusts: nothing; every text passed cl_json_check before it gets here.
 */
#include "api/cli/json.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

/* An envelope around a result of the greatest depth. */
enum { ANSWER_DEPTH = CL_DEPTH_MAX + 4, LINE_WIDTH = 88, INDENT = 2 };

int cl_json_root(const struct cl_buf *body, struct cl_json *root, struct cl_err *err)
{
    const struct cl_json_caps caps = { body->length, SIZE_MAX, ANSWER_DEPTH, UINT_MAX };
    size_t at = 0;

    if (cl_json_check((const char *)body->bytes, body->length, &caps, root, &at, err) < 0)
        return cl_err_context(err, "the answer is not JSON");
    if (cl_json_kind(*root) != CL_JSON_OBJECT)
        return cl_fail(err, CL_E_LOST, "the answer is not a JSON object");
    return 0;
}

struct cl_json cl_json_member(struct cl_json object, const char *key)
{
    const struct cl_json none = { NULL, 0 };
    struct cl_json name;
    struct cl_json value;
    size_t cursor = 0;

    if (!object.text || cl_json_kind(object) != CL_JSON_OBJECT)
        return none;
    while (cl_json_next(object, &cursor, &name, &value)) {
        if (cl_json_is(name, key))
            return value;
    }
    return none;
}

void cl_json_plain(struct cl_json value, struct cl_buf *out)
{
    struct cl_err err = CL_ERR_INIT;

    if (!value.text)
        return;
    if (cl_json_kind(value) == CL_JSON_STRING)
        cl_json_string(value, out, &err);
    else
        cl_buf_put(out, value.text, value.length, &err);
}

bool cl_json_has_text(struct cl_json value, const char *text)
{
    return value.text && cl_json_kind(value) == CL_JSON_STRING && cl_json_is(value, text);
}

uint64_t cl_json_number(struct cl_json value)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t number = 0;

    if (!value.text || cl_json_u64(value, &number, &err) < 0)
        return 0;
    return number;
}

/* One value on one line: ", " and ": " between, strings and numbers as they came. */
static int put_flat(struct cl_json value, struct cl_buf *out, struct cl_err *err)
{
    const enum cl_json_kind kind = cl_json_kind(value);
    const bool is_object = kind == CL_JSON_OBJECT;
    struct cl_json name;
    struct cl_json member;
    size_t cursor = 0;
    const char *between = "";

    if (!is_object && kind != CL_JSON_ARRAY)
        return cl_buf_put(out, value.text, value.length, err);
    if (cl_buf_put_text(out, is_object ? "{" : "[", err) < 0)
        return -1;
    while (cl_json_next(value, &cursor, &name, &member)) {
        if (cl_buf_put_text(out, between, err) < 0 ||
            cl_buf_put(out, name.text, name.length, err) < 0 ||
            cl_buf_put_text(out, is_object ? ": " : "", err) < 0 ||
            put_flat(member, out, err) < 0)
            return -1;
        between = ", ";
    }
    return cl_buf_put_text(out, is_object ? "}" : "]", err);
}

static int put_indent(size_t depth, struct cl_buf *out, struct cl_err *err)
{
    return cl_buf_format(out, err, "\n%*s", (int)(depth * INDENT), "");
}

static int put_value(struct cl_json value, size_t depth, struct cl_buf *out,
                     struct cl_err *err);

static int put_members(struct cl_json value, size_t depth, struct cl_buf *out,
                       struct cl_err *err)
{
    const bool is_object = cl_json_kind(value) == CL_JSON_OBJECT;
    struct cl_json name;
    struct cl_json member;
    size_t cursor = 0;
    const char *between = "";

    while (cl_json_next(value, &cursor, &name, &member)) {
        if (cl_buf_put_text(out, between, err) < 0 || put_indent(depth + 1, out, err) < 0 ||
            cl_buf_put(out, name.text, name.length, err) < 0 ||
            cl_buf_put_text(out, is_object ? ": " : "", err) < 0 ||
            put_value(member, depth + 1, out, err) < 0)
            return -1;
        between = ",";
    }
    return put_indent(depth, out, err);
}

/* Recursion is bounded: the text passed ANSWER_DEPTH. */
static int put_value(struct cl_json value, size_t depth, struct cl_buf *out, struct cl_err *err)
{
    const enum cl_json_kind kind = cl_json_kind(value);
    const bool is_object = kind == CL_JSON_OBJECT;
    const size_t start = out->length;

    /* Try it on one line if its text could fit; the separators make it a little longer. */
    if (value.length <= LINE_WIDTH || (!is_object && kind != CL_JSON_ARRAY)) {
        if (put_flat(value, out, err) < 0)
            return -1;
        if ((!is_object && kind != CL_JSON_ARRAY) ||
            out->length - start + depth * INDENT <= LINE_WIDTH)
            return 0;
        out->length = start;
    }
    if (cl_buf_put_text(out, is_object ? "{" : "[", err) < 0 ||
        put_members(value, depth, out, err) < 0)
        return -1;
    return cl_buf_put_text(out, is_object ? "}" : "]", err);
}

int cl_json_pretty(struct cl_json value, struct cl_buf *out, struct cl_err *err)
{
    return put_value(value, 0, out, err);
}

/* Length of a control character (C0, DEL, C1 in UTF-8) at `at`, 0 if there is none. */
static size_t control_length(const unsigned char *at, size_t left)
{
    if (at[0] == '\n' || at[0] == '\t' || (at[0] == '\r' && left > 1 && at[1] == '\n'))
        return 0;
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 1;
    return at[0] == 0xc2 && left > 1 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void cl_json_show(const char *text, size_t length, FILE *to)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end;

    if (length == 0)
        return;
    end = at + length;
    if (!isatty(fileno(to))) {
        fwrite(text, 1, length, to);
        return;
    }
    while (at < end) {
        const size_t control = control_length(at, (size_t)(end - at));

        if (control)
            fprintf(to, "\\x%02x", at[control - 1]);
        else
            fputc(*at, to);
        at += control ? control : 1;
    }
}
