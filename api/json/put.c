/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes JSON strings out of any bytes.
 * Runs in: cloche-api.
 * Trusts: nothing; workers' output comes through here.
 */
#include <string.h>

#include "api/json/scan.h"
#include "api/json/text.h"

enum { ESCAPE_MAX = 8 };

/* The bytes that have a short escape, and it. */
static char short_escape(unsigned char byte)
{
    static const char bytes[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const char *at = byte ? strchr(bytes, byte) : NULL;

    return at ? names[at - bytes] : '\0';
}

static size_t put_escape(unsigned char byte, char out[ESCAPE_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char name = short_escape(byte);

    if (name) {
        out[0] = '\\';
        out[1] = name;
        return 2;
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return 6;
}

/* U+2028 and U+2029 end a line in JavaScript and in some readers of event streams. */
static bool is_line_separator(const char *text, size_t length)
{
    return length == 3 && memcmp(text, "\xe2\x80", 2) == 0 && (text[2] | 1) == '\xa9';
}

/* Writes what stands for the character at `text` that is not plain; *taken is its length. */
static size_t put_odd(const char *text, size_t length, size_t *taken, char out[ESCAPE_MAX])
{
    size_t size = cl_jsontext_utf8(text, length);

    *taken = size ? size : 1;
    if (size == 0) {
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (size == 1)
        return put_escape((unsigned char)*text, out);
    if (is_line_separator(text, size)) {
        memcpy(out, text[2] == '\xa8' ? "\\u2028" : "\\u2029", 6);
        return 6;
    }
    memcpy(out, text, size);
    return size;
}

int cl_json_put_string(struct cl_buf *out, const char *text, size_t length, struct cl_err *err)
{
    size_t at = 0;

    if (length == 0) /* then text may be NULL */
        return cl_buf_put(out, "\"\"", 2, err);
    if (cl_buf_put(out, "\"", 1, err) < 0)
        return -1;
    for (;;) {
        size_t run = cl_jsontext_plain(text + at, length - at);
        if (cl_buf_put(out, text + at, run, err) < 0)
            return -1;
        at += run;
        if (at == length)
            return cl_buf_put(out, "\"", 1, err);
        char bytes[ESCAPE_MAX];
        size_t taken;
        size_t made = put_odd(text + at, length - at, &taken, bytes);
        if (cl_buf_put(out, bytes, made, err) < 0)
            return -1;
        at += taken;
    }
}

/* How many bytes a character has that starts with this one; 0 for a byte inside a character. */
static size_t size_by_lead(unsigned char byte)
{
    if (byte < 0x80)
        return 1;
    if (byte < 0xc2 || byte > 0xf4)
        return 0;
    return byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

size_t cl_json_utf8_prefix(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)text[length - back];
        if ((byte & 0xc0) == 0x80)
            continue;
        return size_by_lead(byte) > back ? length - back : length;
    }
    return length;
}
