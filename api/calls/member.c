/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects by table, and frames written in place.
 * Runs in: cloche-api.
 * Trusts: nothing; values passed the JSON checker, their meaning is checked here and by
 * readers.
 */
#include "api/calls/member.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

static const char *const kind_words[] = {
    [CL_JSON_NONE] = "nothing",   [CL_JSON_NULL] = "null",        [CL_JSON_FALSE] = "a boolean",
    [CL_JSON_TRUE] = "a boolean", [CL_JSON_NUMBER] = "a number",  [CL_JSON_STRING] = "a string",
    [CL_JSON_ARRAY] = "an array", [CL_JSON_OBJECT] = "an object",
};

int cl_member_malformed(struct cl_member_parse *parse, const char *format, ...)
{
    char text[sizeof(parse->refusal->detail)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return cl_refusal_set(parse->refusal, CL_R_MALFORMED, "%s", text);
}

int cl_member_failed(struct cl_member_parse *parse, const struct cl_err *err)
{
    return cl_refusal_failed(parse->refusal, CL_R_MALFORMED, err);
}

static const struct cl_member *find_row(const struct cl_member *table, size_t count,
                                        struct cl_json key)
{
    for (size_t i = 0; i < count; i++) {
        if (cl_json_is(key, table[i].key))
            return &table[i];
    }
    return NULL;
}

static int refuse_key(struct cl_member_parse *parse, const struct cl_member *table,
                      size_t count, const char *key)
{
    const char *words[CL_MEMBERS_MAX + 1] = { NULL };
    const char *near;

    CL_CHECK(count <= CL_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++)
        words[i] = table[i].key;
    near = cl_refusal_nearest(words, key);
    if (near)
        return cl_member_malformed(parse, "unknown key; did you mean \"%s\"?", near);
    return cl_member_malformed(parse, "unknown key");
}

static int read_member(struct cl_member_parse *parse, const struct cl_member *row,
                       struct cl_json value)
{
    const enum cl_json_kind kind = cl_json_kind(value);

    if (row->kind != CL_JSON_NONE && row->kind != kind)
        return cl_member_malformed(parse, "expected %s, found %s", kind_words[row->kind],
                                   kind_words[kind]);
    return row->read(parse, value);
}

int cl_member_walk(struct cl_member_parse *parse, struct cl_json object,
                   const struct cl_member *table, size_t count)
{
    const size_t depth = strlen(parse->refusal->pointer);
    struct cl_json key;
    struct cl_json value;
    size_t cursor = 0;

    while (cl_json_next(object, &cursor, &key, &value)) {
        const struct cl_member *row = find_row(table, count, key);
        struct cl_buf CL_AUTO(cl_buf_fini) name = CL_BUF_INIT(key.length + 1);
        struct cl_err err = CL_ERR_INIT;

        if (row) {
            cl_refusal_point(parse->refusal, row->key, strlen(row->key));
            if (read_member(parse, row, value) < 0)
                return -1;
            parse->refusal->pointer[depth] = '\0';
            continue;
        }
        if (cl_json_string(key, &name, &err) < 0 || cl_buf_put(&name, "", 1, &err) < 0)
            return cl_member_malformed(parse, "unknown key");
        cl_refusal_point(parse->refusal, (const char *)name.bytes, name.length - 1);
        return refuse_key(parse, table, count, (const char *)name.bytes);
    }
    return 0;
}

/* Frames have room for the whole body, so the only cap that can be reached is a frame's own. */
static int too_large(struct cl_member_parse *parse)
{
    parse->refusal->limit = CL_FRAME_IN_MAX;
    return cl_refusal_set(parse->refusal, CL_R_TOO_LARGE, "the field is larger than %d bytes",
                          CL_FRAME_IN_MAX);
}

static int not_put(struct cl_member_parse *parse, const struct cl_err *err)
{
    return err->kind == CL_E_SYS ? cl_member_failed(parse, err) : too_large(parse);
}

ssize_t cl_member_open(struct cl_member_parse *parse, enum cl_frame_type type)
{
    const struct cl_frame head = { CL_FRAME_MAGIC, (uint16_t)type, 0 };
    const size_t start = parse->request->frames.length;
    struct cl_err err = CL_ERR_INIT;

    if (cl_buf_put(&parse->request->frames, &head, sizeof(head), &err) < 0)
        return not_put(parse, &err);
    return (ssize_t)start;
}

int cl_member_close(struct cl_member_parse *parse, ssize_t start, enum cl_frame_type type)
{
    struct cl_buf *frames = &parse->request->frames;
    const size_t length = frames->length - (size_t)start - sizeof(struct cl_frame);
    struct cl_frame head = { CL_FRAME_MAGIC, (uint16_t)type, (uint32_t)length };
    struct cl_err err = CL_ERR_INIT;

    if (length > CL_FRAME_IN_MAX || cl_frame_check(&head, false, &err) < 0)
        return too_large(parse);
    memcpy(frames->bytes + start, &head, sizeof(head));
    return 0;
}

int cl_member_put(struct cl_member_parse *parse, enum cl_frame_type type, struct cl_json value)
{
    const ssize_t start = cl_member_open(parse, type);
    struct cl_err err = CL_ERR_INIT;

    if (start < 0)
        return -1;
    if (cl_buf_put(&parse->request->frames, value.text, value.length, &err) < 0)
        return not_put(parse, &err);
    return cl_member_close(parse, start, type);
}

int cl_member_put_text(struct cl_member_parse *parse, enum cl_frame_type type,
                       struct cl_json value)
{
    const ssize_t start = cl_member_open(parse, type);
    struct cl_err err = CL_ERR_INIT;

    if (start < 0)
        return -1;
    if (cl_json_string(value, &parse->request->frames, &err) < 0)
        return cl_member_failed(parse, &err);
    return cl_member_close(parse, start, type);
}

int cl_member_short(struct cl_member_parse *parse, struct cl_json value, char *text,
                    size_t size)
{
    struct cl_buf CL_AUTO(cl_buf_fini) plain = CL_BUF_INIT(value.length);
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_kind(value) != CL_JSON_STRING)
        return cl_member_malformed(parse, "expected a string, found %s",
                                   kind_words[cl_json_kind(value)]);
    if (cl_json_string(value, &plain, &err) < 0)
        return cl_member_failed(parse, &err);
    if (plain.length >= size)
        return cl_member_malformed(parse, "longer than %zu bytes", size - 1);
    if (plain.length && memchr(plain.bytes, '\0', plain.length))
        return cl_member_malformed(parse, "holds a NUL");
    if (plain.length)
        memcpy(text, plain.bytes, plain.length);
    text[plain.length] = '\0';
    return 0;
}
