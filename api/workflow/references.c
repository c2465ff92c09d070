/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts values in the place of references: one pass over the tokens of a checked JSON text, that
 * copies everything but the strings which hold a reference.
 * Runs in: cloche-api, cloche.
 * Trusts: that texts passed cl_json_check; not their size, nor what references make of it.
 */
#include "api/workflow/references.h"

#include <string.h>

#include "sandbox/base/own.h"

enum { DEPTH_MAX = 80 };

struct pass {
    const struct cl_references *references;
    struct cl_buf *out;
    struct cl_err *err;
    size_t walked; /* bytes of results that were read */
    size_t most;   /* out->length that is too much */
    struct {
        bool is_object, wants_key, is_source;
    } open[DEPTH_MAX];
    size_t depth;
};

bool cl_reference_is_source(const char *key, size_t length)
{
    static const char *const names[] = { "code", "lambda", "source", "expression" };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        if (length == strlen(names[i]) && memcmp(key, names[i], length) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------- walking */

static int fail_reference(struct pass *pass, const struct cl_piece *piece, const char *why)
{
    const int shown = piece->length > 96 ? 96 : (int)piece->length;

    return cl_fail(pass->err, CL_E_INPUT, "reference %.*s%s %s", shown, piece->text,
                   (size_t)shown < piece->length ? "..." : "", why);
}

static int fail_size(struct pass *pass)
{
    return cl_fail(pass->err, CL_E_LIMIT, "the values of its references get too large");
}

/* One key or index further. NONE when there is no such thing. */
static struct cl_json step(struct pass *pass, struct cl_json from, const char *key,
                           size_t length, uint64_t index)
{
    const enum cl_json_kind wanted = key ? CL_JSON_OBJECT : CL_JSON_ARRAY;
    const struct cl_json none = { "", 0 };
    struct cl_json name, value;
    size_t cursor = 0;
    char text[CL_REFERENCE_PATH_MAX];

    if (cl_json_kind(from) != wanted || length >= sizeof(text))
        return none;
    if (key) {
        memcpy(text, key, length);
        text[length] = '\0';
    }
    for (uint64_t i = 0; cl_json_next(from, &cursor, &name, &value); i++) {
        if (key ? cl_json_is(name, text) : i == index)
            break;
        value = none;
    }
    pass->walked += cursor < from.length ? cursor : from.length;
    return value;
}

static uint64_t read_index(const char *digits, size_t length)
{
    uint64_t index = 0;

    for (size_t i = 0; i < length; i++) {
        if (__builtin_mul_overflow(index, 10u, &index) ||
            __builtin_add_overflow(index, (uint64_t)(digits[i] - '0'), &index))
            return UINT64_MAX;
    }
    return index;
}

/* `at` stands on '.' or '['; returns the step's end. */
static size_t step_end(const char *path, size_t length, size_t at)
{
    const char *stops = path[at] == '[' ? "]" : ".[";

    for (at++; at < length && !strchr(stops, path[at]);)
        at++;
    return at;
}

static bool is_result(const char *path, size_t length)
{
    return length >= 7 && memcmp(path, ".result", 7) == 0 &&
           (length == 7 || path[7] == '.' || path[7] == '[');
}

/* Follows what comes behind the task's name. NONE when it leads nowhere. */
static struct cl_json walk(struct pass *pass, struct cl_reference_value from, const char *path,
                           size_t length)
{
    struct cl_json value = from.envelope;
    size_t at = 0;

    if (is_result(path, length) && from.result.length > 0) {
        value = from.result;
        at = 7;
        if (is_result(path + at, length - at))
            at += 7;
    } else if (is_result(path, length)) {
        /* An envelope without `result` (of list, info, register) is what it returned. */
        const struct cl_json inner = step(pass, value, "result", 6, 0);
        value = inner.length ? inner : value;
        at = 7;
    }
    while (at < length && value.length > 0) {
        const size_t end = step_end(path, length, at);
        if (path[at] == '[')
            value = step(pass, value, NULL, 0, read_index(path + at + 1, end - at - 1));
        else
            value = step(pass, value, path + at + 1, end - at - 1, 0);
        at = end + (path[at] == '[');
    }
    return value;
}

/* ----------------------------------------------------------------------------- resolving */

/* The default: JSON if it is some, else a text. Made in `text`. */
static int read_fallback(struct pass *pass, const struct cl_piece *piece, struct cl_buf *text,
                         struct cl_json *value)
{
    static const struct cl_json_caps caps = { CL_REFERENCE_PATH_MAX, 1024, 32, 1024 };
    struct cl_err ignored = CL_ERR_INIT;

    if (cl_json_check(piece->fallback, piece->fallback_length, &caps, value, NULL, &ignored) ==
        0)
        return 0;
    if (cl_json_put_string(text, piece->fallback, piece->fallback_length, pass->err) < 0)
        return -1;
    *value = (struct cl_json){ (const char *)text->bytes, text->length };
    return 0;
}

/* 1 when it names nothing and is to stay as it is. */
static int resolve(struct pass *pass, const struct cl_piece *piece, struct cl_buf *text,
                   struct cl_json *value)
{
    const struct cl_references *references = pass->references;
    size_t used = 0;
    const int task =
        cl_names_of_path(references->names, piece->path, piece->path_length, &used);
    const char *rest = piece->path + used;
    const size_t left = piece->path_length - used;

    if (task < 0)
        return references->keeps_unknown
                   ? 1
                   : fail_reference(pass, piece,
                                    task == CL_NAMES_NONE ? "names no task"
                                                          : "names several tasks");
    if (!cl_path_is_sound(rest, left))
        return fail_reference(pass, piece, "has no sound path");
    *value = walk(pass, references->value(references->self, task), rest, left);
    if (pass->walked > CL_REFERENCES_WALK_MAX)
        return fail_size(pass);
    if (value->length > 0)
        return 0;
    if (piece->fallback)
        return read_fallback(pass, piece, text, value);
    return fail_reference(pass, piece, "does not resolve");
}

/* A value inside longer text: a string bare, anything else as json.dumps has it. */
static int put_embedded(struct pass *pass, struct cl_json value, struct cl_buf *text)
{
    if (value.length > CL_REFERENCES_OUT_MAX)
        return fail_size(pass);
    if (cl_json_kind(value) == CL_JSON_STRING)
        return cl_json_string(value, text, pass->err);
    return cl_references_dump(value, text, pass->err);
}

static int put_piece(struct pass *pass, const struct cl_piece *piece, struct cl_buf *text)
{
    struct cl_buf CL_AUTO(cl_buf_fini) fallback = CL_BUF_INIT(8 * CL_REFERENCE_PATH_MAX);
    struct cl_json value;

    if (piece->kind == CL_PIECE_ESCAPE && !pass->references->keeps_unknown)
        return cl_buf_put(text, "${", 2, pass->err);
    if (piece->kind != CL_PIECE_REFERENCE)
        return cl_buf_put(text, piece->text, piece->length, pass->err);

    const int stays = resolve(pass, piece, &fallback, &value);
    if (stays < 0)
        return -1;
    return stays ? cl_buf_put(text, piece->text, piece->length, pass->err)
                 : put_embedded(pass, value, text);
}

/* The whole string is one reference: its value keeps its type. 1 when it is to stay. */
static int put_exact(struct pass *pass, const struct cl_piece *piece)
{
    struct cl_buf CL_AUTO(cl_buf_fini) fallback = CL_BUF_INIT(8 * CL_REFERENCE_PATH_MAX);
    struct cl_json value;
    const int stays = resolve(pass, piece, &fallback, &value);

    if (stays)
        return stays;
    if (value.length > pass->most || pass->out->length > pass->most - value.length)
        return fail_size(pass);
    return cl_buf_put(pass->out, value.text, value.length, pass->err);
}

static int put_pieces(struct pass *pass, const char *plain, size_t length)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_REFERENCES_OUT_MAX);
    struct cl_piece piece;
    size_t at = 0;

    while (cl_piece_next(plain, length, &at, &piece) != CL_PIECE_END) {
        if (piece.kind == CL_PIECE_REFERENCE && piece.length == length) {
            const int stays = put_exact(pass, &piece);
            if (stays <= 0)
                return stays;
        }
        if (put_piece(pass, &piece, &text) < 0)
            return -1;
    }
    if (cl_json_put_string(pass->out, (const char *)text.bytes, text.length, pass->err) < 0)
        return -1;
    return pass->out->length > pass->most ? fail_size(pass) : 0;
}

/* ------------------------------------------------------------------------------- one pass */

static bool may_hold(struct cl_json string)
{
    return memchr(string.text, '$', string.length) ||
           memmem(string.text, string.length, "\\u0024", 6);
}

static int put_string(struct pass *pass, struct cl_json string)
{
    struct cl_buf CL_AUTO(cl_buf_fini) plain = CL_BUF_INIT(string.length);
    const bool is_source = pass->depth > 0 && pass->open[pass->depth - 1].is_source;

    if (is_source || !may_hold(string))
        return cl_buf_put(pass->out, string.text, string.length, pass->err);
    if (cl_json_string(string, &plain, pass->err) < 0)
        return -1;
    return put_pieces(pass, (const char *)plain.bytes, plain.length);
}

static int on_key(struct pass *pass, struct cl_json key)
{
    pass->open[pass->depth - 1].wants_key = false;
    pass->open[pass->depth - 1].is_source =
        pass->depth == pass->references->source_depth &&
        cl_reference_is_source(key.text + 1, key.length - 2);
    return cl_buf_put(pass->out, key.text, key.length, pass->err);
}

static int on_mark(struct pass *pass, char mark)
{
    if (mark == '{' || mark == '[') {
        CL_CHECK(pass->depth < DEPTH_MAX); /* the validator allows no more */
        pass->open[pass->depth].is_object = mark == '{';
        pass->open[pass->depth].is_source = false;
        pass->open[pass->depth++].wants_key = mark == '{';
    } else if (mark == '}' || mark == ']') {
        pass->depth--;
    } else if (mark == ',') {
        pass->open[pass->depth - 1].wants_key = pass->open[pass->depth - 1].is_object;
        pass->open[pass->depth - 1].is_source = false;
    }
    return cl_buf_put(pass->out, &mark, 1, pass->err);
}

static const char *string_end(const char *at)
{
    for (at++; *at != '"';)
        at += *at == '\\' ? 2 : 1;
    return at + 1;
}

int cl_references_put(const struct cl_references *references, struct cl_json value,
                      struct cl_buf *out, struct cl_err *err)
{
    struct pass pass = { .references = references,
                         .out = out,
                         .err = err,
                         .most = out->length + CL_REFERENCES_OUT_MAX };
    const char *at = value.text;
    const char *end = value.text + value.length;
    int done = 0;

    while (at < end && done == 0) {
        if (*at != '"') {
            done = on_mark(&pass, *at++);
            continue;
        }
        const char *behind = string_end(at);
        const struct cl_json string = { at, (size_t)(behind - at) };
        const bool is_key = pass.depth > 0 && pass.open[pass.depth - 1].wants_key;
        done = is_key ? on_key(&pass, string) : put_string(&pass, string);
        at = behind;
    }
    return done;
}
