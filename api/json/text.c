/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 and escapes of JSON strings.
 * Runs in: cloche-api.
 * Trusts: nothing, but cl_jsontext_unescape: only what scan.c has passed.
 */
#include "api/json/text.h"

#include <stdbool.h>

static bool is_tail(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* By first byte: how long, and the bounds of the second byte that rule out overlong forms,
 * surrogates and what lies above U+10FFFF. */
static size_t shape_of(unsigned char first, unsigned char *least, unsigned char *most)
{
    *least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t cl_jsontext_utf8(const char *text, size_t length)
{
    unsigned char least, most;
    size_t size = length > 0 ? shape_of((unsigned char)text[0], &least, &most) : 0;

    if (size <= 1)
        return size;
    if (size > length || (unsigned char)text[1] < least || (unsigned char)text[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (!is_tail(text[i]))
            return 0;
    }
    return size;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

int cl_jsontext_hex4(const char *text, size_t length)
{
    int value = 0;

    if (length < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static size_t put_utf8(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

size_t cl_jsontext_unescape(const char **at, char out[4])
{
    static const char names[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *text = *at;

    if (text[1] != 'u') {
        const char *name = strchr(names, text[1]);
        out[0] = name ? meanings[name - names] : text[1];
        *at += 2;
        return 1;
    }
    uint32_t point = (uint32_t)cl_jsontext_hex4(text + 2, 4);
    *at += 6;
    if (point >= 0xd800 && point < 0xdc00) {
        uint32_t low = (uint32_t)cl_jsontext_hex4(text + 8, 4);
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    return put_utf8(point, out);
}
