/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a call: source and texts escaped, JSON values spliced digit for digit.
 * Runs in: cloche.
 * Trusts: nothing on the command line or in the files it names.
 */
#include "api/cli/body.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <wchar.h>

#include "api/json/scan.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

static int read_all(int fd, struct cl_buf *text, struct cl_err *err)
{
    for (;;) {
        uint8_t *room = cl_buf_room(text, 1 << 16, err);
        ssize_t length;

        if (!room)
            return -1;
        length = read(fd, room, 1 << 16);
        if (length < 0 && errno != EINTR)
            return cl_fail(err, CL_E_SYS, "read");
        if (length == 0)
            return 0;
        text->length += length > 0 ? (size_t)length : 0;
    }
}

static int check_utf8(const struct cl_buf *text, struct cl_err *err)
{
    const char *at = (const char *)text->bytes;
    size_t left = text->length;
    mbstate_t state = { 0 };

    while (left > 0) {
        size_t length = mbrlen(at, left, &state);

        if (length > left)
            return cl_fail(err, CL_E_INPUT, "not UTF-8 at byte %zu", text->length - left);
        length = length ? length : 1; /* a NUL */
        at += length;
        left -= length;
    }
    return 0;
}

static int read_text(const char *name, struct cl_buf *text, struct cl_err *err)
{
    cl_close_auto int fd = -1;

    fd = strcmp(name, "-") == 0 ? dup(STDIN_FILENO) : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "%s", name);
    if (read_all(fd, text, err) < 0 || check_utf8(text, err) < 0)
        return cl_err_context(err, "%s", name);
    return 0;
}

/* The mark that some editors put first is not Python. */
static size_t bom_length(const struct cl_buf *text)
{
    return text->length >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int cl_body_put_source(struct cl_buf *body, const char *name, struct cl_err *err)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_BODY_MAX / 2);
    size_t skip;

    if (read_text(name, &text, err) < 0)
        return -1;
    skip = bom_length(&text);
    return cl_json_put_string(body, (const char *)text.bytes + skip, text.length - skip, err);
}

static int put_file(struct cl_buf *body, const char *key, const char *name, struct cl_err *err)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_BODY_MAX / 2);
    size_t skip;

    if (read_text(name, &text, err) < 0)
        return -1;
    skip = strcmp(key, "source") == 0 ? bom_length(&text) : 0;
    if (cl_buf_format(body, err, "\"%s\":", key) < 0)
        return -1;
    return cl_json_put_string(body, (const char *)text.bytes + skip, text.length - skip, err);
}

static int put_text(struct cl_buf *body, const char *key, const char *text, struct cl_err *err)
{
    if (!text)
        return 0;
    if (cl_buf_format(body, err, ",\"%s\":", key) < 0)
        return -1;
    return cl_json_put_string(body, text, strlen(text), err);
}

static int put_json(struct cl_buf *body, const char *text, const char *of, struct cl_err *err)
{
    const struct cl_json_caps caps = { CL_BODY_MAX, SIZE_MAX, CL_DEPTH_MAX, UINT_MAX };
    struct cl_json value;
    size_t at = 0;

    if (cl_json_check(text, strlen(text), &caps, &value, &at, err) < 0)
        return cl_err_context(err, "%s is not JSON (a text needs its quotes: '\"text\"')", of);
    return cl_buf_put(body, value.text, value.length, err);
}

static int put_args(struct cl_buf *body, const struct cl_texts *values, struct cl_err *err)
{
    if (values->count == 0)
        return 0;
    if (cl_buf_put_text(body, ",\"args\":[", err) < 0)
        return -1;
    for (size_t i = 0; i < values->count; i++) {
        if (i > 0 && cl_buf_put_text(body, ",", err) < 0)
            return -1;
        if (put_json(body, values->items[i], "-a", err) < 0)
            return -1;
    }
    return cl_buf_put_text(body, "]", err);
}

/* Splits NAME=VALUE, writes "NAME": and returns VALUE; NULL (err filled) if there is no NAME. */
static const char *put_name(struct cl_buf *body, const char *pair, const char *option,
                            struct cl_err *err)
{
    const char *equals = strchr(pair, '=');

    if (!equals || equals == pair) {
        cl_fail(err, CL_E_INPUT, "%s wants NAME=VALUE, not \"%s\"", option, pair);
        return NULL;
    }
    if (cl_json_put_string(body, pair, (size_t)(equals - pair), err) < 0 ||
        cl_buf_put_text(body, ":", err) < 0)
        return NULL;
    return equals + 1;
}

static int put_kwargs(struct cl_buf *body, const struct cl_texts *pairs, struct cl_err *err)
{
    if (pairs->count == 0)
        return 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const char *value;

        if (cl_buf_put_text(body, i ? "," : ",\"kwargs\":{", err) < 0)
            return -1;
        value = put_name(body, pairs->items[i], "-k", err);
        if (!value || put_json(body, value, "-k", err) < 0)
            return -1;
    }
    return cl_buf_put_text(body, "}", err);
}

/* Counts travel as numbers, quantities ("2s", "64Mi") as texts; the service knows the names. */
static int put_limits(struct cl_buf *body, const struct cl_texts *pairs, struct cl_err *err)
{
    static const char count[] = "processes=";

    if (pairs->count == 0)
        return 0;
    for (size_t i = 0; i < pairs->count; i++) {
        const bool is_count = strncmp(pairs->items[i], count, sizeof(count) - 1) == 0;
        const char *value;

        if (cl_buf_put_text(body, i ? "," : ",\"limits\":{", err) < 0)
            return -1;
        value = put_name(body, pairs->items[i], "--limit", err);
        if (!value)
            return -1;
        if (is_count ? put_json(body, value, "--limit processes", err) < 0
                     : cl_json_put_string(body, value, strlen(value), err) < 0)
            return -1;
    }
    return cl_buf_put_text(body, "}", err);
}

/* What a call has besides its code. */
static int put_rest(struct cl_buf *body, const struct cl_args *args, struct cl_err *err)
{
    if (put_text(body, "policy", args->policy, err) < 0 ||
        put_text(body, "priority", args->priority, err) < 0 ||
        put_args(body, &args->args, err) < 0 || put_kwargs(body, &args->kwargs, err) < 0 ||
        put_limits(body, &args->limits, err) < 0)
        return -1;
    if (args->stdin_file && (cl_buf_put_text(body, ",", err) < 0 ||
                             put_file(body, "stdin", args->stdin_file, err) < 0))
        return -1;
    return cl_buf_put_text(body, "}", err);
}

int cl_body_make_function(struct cl_buf *body, const struct cl_args *args, struct cl_err *err)
{
    if (cl_buf_put_text(body, "{\"function\":", err) < 0 ||
        cl_json_put_string(body, args->operand, strlen(args->operand), err) < 0 ||
        put_text(body, "version", args->version, err) < 0)
        return -1;
    return put_rest(body, args, err);
}

int cl_body_make(struct cl_buf *body, const struct cl_args *args, struct cl_err *err)
{
    if (args->stdin_file && strcmp(args->stdin_file, "-") == 0 &&
        strcmp(args->operand, "-") == 0)
        return cl_fail(err, CL_E_INPUT, "the source and --stdin can't both come from \"-\"");
    if (cl_buf_put_text(body, "{", err) < 0 ||
        put_file(body, "source", args->operand, err) < 0 ||
        put_text(body, "entry", args->entry, err) < 0)
        return -1;
    return put_rest(body, args, err);
}

static int put_expression(struct cl_buf *body, const char *text, struct cl_err *err)
{
    const struct cl_buf view = { .bytes = (uint8_t *)(uintptr_t)text, .length = strlen(text) };

    if (check_utf8(&view, err) < 0)
        return cl_err_context(err, "the expression");
    if (cl_buf_put_text(body, "\"expression\":", err) < 0)
        return -1;
    return cl_json_put_string(body, text, view.length, err);
}

int cl_body_make_eval(struct cl_buf *body, const struct cl_args *args, struct cl_err *err)
{
    if (cl_buf_put_text(body, "{", err) < 0 || put_expression(body, args->operand, err) < 0 ||
        put_text(body, "policy", args->policy, err) < 0 ||
        put_limits(body, &args->limits, err) < 0)
        return -1;
    if (args->context && (cl_buf_put_text(body, ",\"context\":", err) < 0 ||
                          put_json(body, args->context, "-c", err) < 0))
        return -1;
    return cl_buf_put_text(body, "}", err);
}
