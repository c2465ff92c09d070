/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that come with a call, and which it shall leave behind.
 * Runs in: cloche-api.
 * Trusts: nothing; paths and contents are the caller's. The worker opens them inside its jail.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/calls/member.h"
#include "api/path.h"
#include "sandbox/base/own.h"

struct file {
    struct cl_json path;
    struct cl_json text;
    struct cl_json base64;
};

static int read_path(struct cl_member_parse *parse, struct cl_json value, char *path)
{
    const char *fault;

    if (cl_member_short(parse, value, path, CL_PATH_MAX + 1) < 0)
        return -1;
    fault = cl_path_fault(path, strlen(path));
    return fault ? cl_member_malformed(parse, "%s", fault) : 0;
}

static int put_base64(struct cl_member_parse *parse, struct cl_json value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(value.length);
    struct cl_buf *frames = &parse->request->frames;
    struct cl_err err = CL_ERR_INIT;
    size_t length = 0;
    uint8_t *room;

    if (cl_json_string(value, &text, &err) < 0)
        return cl_member_failed(parse, &err);
    if (text.length == 0)
        return 0;
    room = cl_buf_room(frames, text.length, &err);
    if (!room)
        return cl_member_failed(parse, &err);
    if (sodium_base642bin(room, text.length, (const char *)text.bytes, text.length, NULL,
                          &length, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return cl_member_malformed(parse, "is not base64 (RFC 4648, with padding)");
    frames->length += length;
    return 0;
}

static int put_content(struct cl_member_parse *parse, const struct file *file)
{
    const bool is_text = file->text.length != 0;
    const struct cl_json value = is_text ? file->text : file->base64;
    struct cl_err err = CL_ERR_INIT;

    cl_refusal_point(parse->refusal, is_text ? "text" : "base64", is_text ? 4 : 6);
    if (cl_json_kind(value) != CL_JSON_STRING)
        return cl_member_malformed(parse, "expected a string");
    if (!is_text)
        return put_base64(parse, value);
    if (cl_json_string(value, &parse->request->frames, &err) < 0)
        return cl_member_failed(parse, &err);
    return 0;
}

/* Finds path, text and base64; anything else is refused. */
static int split_file(struct cl_member_parse *parse, struct cl_json value, struct file *file)
{
    const struct {
        const char *key;
        struct cl_json *slot;
    } slots[] = { { "path", &file->path },
                  { "text", &file->text },
                  { "base64", &file->base64 } };
    struct cl_json key;
    struct cl_json member;
    size_t cursor = 0;

    if (cl_json_kind(value) != CL_JSON_OBJECT)
        return cl_member_malformed(parse, "expected an object with path and text or base64");
    while (cl_json_next(value, &cursor, &key, &member)) {
        size_t i = 0;

        while (i < CL_COUNT(slots) && !cl_json_is(key, slots[i].key))
            i++;
        if (i == CL_COUNT(slots))
            return cl_member_malformed(parse, "unknown key; known are path, text and base64");
        *slots[i].slot = member;
    }
    if (!file->path.length || !file->text.length == !file->base64.length)
        return cl_member_malformed(parse, "needs path and exactly one of text and base64");
    return 0;
}

static int put_file(struct cl_member_parse *parse, const struct file *file)
{
    const size_t depth = strlen(parse->refusal->pointer);
    struct cl_frame_file head = { 0, 0 };
    char path[CL_PATH_MAX + 1];
    struct cl_buf *frames = &parse->request->frames;
    struct cl_err err = CL_ERR_INIT;
    size_t content;

    cl_refusal_point(parse->refusal, "path", 4);
    if (read_path(parse, file->path, path) < 0)
        return -1;
    parse->refusal->pointer[depth] = '\0';
    head.path_length = (uint32_t)strlen(path);
    const ssize_t start = cl_member_open(parse, CL_F_FILE);
    if (start < 0)
        return -1;
    if (cl_buf_put(frames, &head, sizeof(head), &err) < 0 ||
        cl_buf_put(frames, path, head.path_length, &err) < 0)
        return cl_member_failed(parse, &err);
    content = frames->length;
    if (put_content(parse, file) < 0)
        return -1;
    parse->refusal->pointer[depth] = '\0';
    parse->request->files_bytes += frames->length - content;
    return cl_member_close(parse, start, CL_F_FILE);
}

/* Walks an array, with the refusal's pointer at each element. */
static int each_element(struct cl_member_parse *parse, struct cl_json array, size_t most,
                        int (*read)(struct cl_member_parse *, struct cl_json))
{
    const size_t depth = strlen(parse->refusal->pointer);
    struct cl_json key;
    struct cl_json value;
    size_t cursor = 0;

    for (size_t i = 0; cl_json_next(array, &cursor, &key, &value); i++) {
        char index[24];
        const int length = snprintf(index, sizeof(index), "%zu", i);

        if (i >= most)
            return cl_member_malformed(parse, "more than %zu entries", most);
        cl_refusal_point(parse->refusal, index, (size_t)length);
        if (read(parse, value) < 0)
            return -1;
        parse->refusal->pointer[depth] = '\0';
        parse->request->needs_files = true;
    }
    return 0;
}

static int read_file(struct cl_member_parse *parse, struct cl_json value)
{
    struct file file = { 0 };

    if (split_file(parse, value, &file) < 0)
        return -1;
    return put_file(parse, &file);
}

static int read_artifact(struct cl_member_parse *parse, struct cl_json value)
{
    char glob[CL_PATH_MAX + 1];

    if (read_path(parse, value, glob) < 0)
        return -1;
    return cl_member_put_text(parse, CL_F_ARTIFACT, value);
}

int cl_member_files(struct cl_member_parse *parse, struct cl_json value)
{
    return each_element(parse, value, CL_REQUEST_FILES_MAX, read_file);
}

int cl_member_artifacts(struct cl_member_parse *parse, struct cl_json value)
{
    return each_element(parse, value, CL_REQUEST_ARTIFACTS_MAX, read_artifact);
}
