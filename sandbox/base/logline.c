/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a line of the log that no text of a caller can bend.
 * Runs in: every process.
 * Trusts: the format strings; no byte that they print.
 */
#include "sandbox/base/logline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

enum {
    VALUE_MAX = 2048, /* bytes of one value before escaping */
    KEY_MAX_ = 32,
    END_BYTES = 16, /* "...\n", or the end of a text and an object that says that it is cut */
};

/* What a conversion prints may hold anything, so it is known how its value stands. */
enum form { BARE, QUOTED, NUMBER };

/* -------------------------------------------------------------------------------- escaping */

static bool is_continuation(const unsigned char *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

/* Length of the character that may be shown as it is, 0 if its first byte must be escaped. A
 * terminated text: a sequence that is cut off meets the NUL, which is no continuation. */
static size_t shown_length(const unsigned char *at)
{
    if (at[0] >= 0x20 && at[0] <= 0x7e)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf && is_continuation(at + 1, 1))
        return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : 2; /* U+0080..U+009F are controls */
    if (at[0] >= 0xe0 && at[0] <= 0xef && is_continuation(at + 1, 2)) {
        bool is_overlong = at[0] == 0xe0 && at[1] < 0xa0;
        bool is_surrogate = at[0] == 0xed && at[1] > 0x9f;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4 && is_continuation(at + 1, 3)) {
        bool is_overlong = at[0] == 0xf0 && at[1] < 0x90;
        bool is_too_large = at[0] == 0xf4 && at[1] > 0x8f;
        return is_overlong || is_too_large ? 0 : 4;
    }

    return 0;
}

static void put(struct cl_logline *line, const char *bytes, size_t length)
{
    if (line->is_cut || line->length + length > sizeof(line->bytes) - END_BYTES) {
        line->is_cut = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void put_plain(struct cl_logline *line, const char *text)
{
    put(line, text, strlen(text));
}

/* The character at `at`, as it may stand in a value of this form. */
static size_t escape(const struct cl_logline *line, const char *at, enum form form,
                     char piece[8])
{
    const size_t shown = shown_length((const unsigned char *)at);
    const bool is_mark = *at == '"' || *at == '\\';
    const unsigned byte = (unsigned char)*at;

    memcpy(piece, at, shown);
    piece[shown] = '\0';
    if (shown == 0 && line->is_json)
        snprintf(piece, 8, byte < 0x80 ? "\\u%04x" : "\\ufffd", byte);
    else if (shown == 0 || (form == BARE && !line->is_json && (is_mark || *at == ' ')))
        snprintf(piece, 8, "\\x%02x", byte);
    else if (is_mark)
        snprintf(piece, 8, "\\%c", *at);
    return shown ? shown : 1;
}

static void put_escaped(struct cl_logline *line, const char *text, enum form form)
{
    char piece[8];

    while (*text && !line->is_cut) {
        text += escape(line, text, form, piece);
        put_plain(line, piece);
    }
}

/* -------------------------------------------------------------------------- keys and values */

static void put_pair(struct cl_logline *line, const char *key, const char *value,
                     enum form form)
{
    const bool is_quoted = form == QUOTED || (line->is_json && form != NUMBER);
    const size_t before = line->length;

    if (form == BARE && value[0] == '\0')
        return;
    put_plain(line, line->is_json ? ",\"" : " ");
    put_plain(line, line->is_json && key[0] == '\0' ? "text" : key);
    put_plain(line, line->is_json ? "\":" : key[0] ? "=" : "");
    put_plain(line, is_quoted ? "\"" : form == NUMBER ? value : "");
    if (line->is_cut) {
        line->length = before; /* a key without a value is none */
        return;
    }
    if (form != NUMBER)
        put_escaped(line, value, form);
    put_plain(line, is_quoted ? "\"" : "");
    if (is_quoted && line->is_json && line->is_cut)
        line->bytes[line->length++] = '"'; /* there is room behind a cut */
}

struct arguments {
    va_list list;
};

/* Of the conversion at `at`, which starts with "%". */
static size_t spell(const char *at)
{
    return 1 + strspn(at + 1, ".0123456789lz") + 1;
}

/* One conversion; false: it is none that is known here. */
static bool print_one(const char *at, size_t length, struct arguments *args, char *out,
                      size_t size)
{
    const bool is_long = strchr("lz", at[length - 2]); /* long long and size_t are as long */
    const int most = at[1] == '.' ? atoi(at + 2) : VALUE_MAX;

    switch (at[length - 1]) {
    case 's':
        snprintf(out, size, "%.*s", most, va_arg(args->list, const char *));
        return true;
    case 'd':
    case 'i':
        snprintf(out, size, "%ld",
                 is_long ? va_arg(args->list, long) : va_arg(args->list, int));
        return true;
    case 'u':
        snprintf(out, size, "%lu",
                 is_long ? va_arg(args->list, unsigned long) : va_arg(args->list, unsigned));
        return true;
    default:
        return false;
    }
}
_Static_assert(sizeof(long) == sizeof(long long) && sizeof(long) == sizeof(size_t),
               "see above");

/* Whether [at, end) of a format is a number, whatever is printed there. */
static bool is_number(const char *at, const char *end)
{
    if (at < end && *at == '%')
        return at + spell(at) == end && strchr("diu", end[-1]);
    return at < end && strspn(at, "0123456789") >= (size_t)(end - at);
}

/* [at, end) of a format, printed. False: not all of it. */
static bool print(const char *at, const char *end, struct arguments *args, char out[VALUE_MAX])
{
    size_t length = 0;

    while (at < end && length < VALUE_MAX - 1) {
        const size_t step = *at == '%' ? spell(at) : 1;

        if (*at != '%')
            out[length] = *at;
        else if (!print_one(at, step, args, out + length, VALUE_MAX - length))
            break;
        length += *at != '%' ? 1 : strlen(out + length);
        at += step;
    }
    out[length] = '\0';
    return at >= end && length < VALUE_MAX - 1;
}

/* One `key=value` of the format; what follows it. */
static const char *put_next(struct cl_logline *line, const char *format, struct arguments *args)
{
    const size_t word = strcspn(format, "= ");
    const size_t length = word < KEY_MAX_ && format[word] == '=' ? word : 0;
    const char *at = length ? format + word + 1 : format;
    const bool is_quoted = *at == '"';
    char key[KEY_MAX_] = "", value[VALUE_MAX];

    memcpy(key, format, length);
    at += is_quoted;
    const char *end = at + strcspn(at, is_quoted ? "\"" : " ");
    const bool is_whole = print(at, end, args, value);
    put_pair(line, key, value, is_quoted ? QUOTED : is_number(at, end) ? NUMBER : BARE);
    line->is_cut = line->is_cut || !is_whole;
    return end + (is_quoted && *end);
}

/* ------------------------------------------------------------------------------------ a line */

void cl_logline_head(struct cl_logline *line, const char *key, const char *value)
{
    if (line->is_json) {
        put_plain(line, line->length ? ",\"" : "{\"");
        put_plain(line, key);
        put_plain(line, "\":\"");
        put_escaped(line, value, QUOTED);
        put_plain(line, "\"");
        return;
    }
    put_plain(line, line->length ? " " : "");
    put_escaped(line, value, BARE);
}

void cl_logline_put(struct cl_logline *line, const char *format, va_list args)
{
    struct arguments copy;

    va_copy(copy.list, args);
    while (*format && !line->is_cut) {
        format += strspn(format, " ");
        if (*format)
            format = put_next(line, format, &copy);
    }
    va_end(copy.list);
}

void cl_logline_count(struct cl_logline *line, const char *key, unsigned value)
{
    char digits[16];

    snprintf(digits, sizeof(digits), "%u", value);
    put_pair(line, key, digits, NUMBER);
}

void cl_logline_end(struct cl_logline *line)
{
    static const char *const ends[2][2] = { { "\n", "...\n" }, { "}\n", ",\"cut\":true}\n" } };
    const char *end = ends[line->is_json][line->is_cut];

    memcpy(line->bytes + line->length, end, strlen(end));
    line->length += strlen(end);
}
