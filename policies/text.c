/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grammar of the small texts in a policy, units included, and edit distance for suggestions.
 * Runs in: cloche-policyc.
 * Trusts: nothing; pure.
 */
#include "policies/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

enum { WORD_MAX = 64 };

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct unit {
    const char *name;
    uint64_t scale;
};

static const struct unit byte_units[] = {
    { "", 1 },
    { "k", 1000 },
    { "M", 1000000 },
    { "G", 1000000000 },
    { "T", 1000000000000 },
    { "Ki", 1ull << 10 },
    { "Mi", 1ull << 20 },
    { "Gi", 1ull << 30 },
    { "Ti", 1ull << 40 },
};

static const struct unit time_units[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60 * 1000 },
    { "h", 60 * 60 * 1000 },
};

static const struct unit milli_units[] = { { "", 1000 } };
static const struct unit count_units[] = { { "", 1 } };

/* Lead byte range, bytes that follow, smallest and largest code point that they may encode. */
static const struct sequence {
    unsigned char from, to;
    unsigned follow;
    uint32_t least, most;
} sequences[] = {
    { 0x00, 0x7f, 0, 0x20, 0x7e },
    { 0xc2, 0xdf, 1, 0xa0, 0x7ff },
    { 0xe0, 0xef, 2, 0x800, 0xffff },
    { 0xf0, 0xf4, 3, 0x10000, 0x10ffff },
};

static bool is_refused(uint32_t point)
{
    return (point >= 0xd800 && point <= 0xdfff) || point == 0x2028 || point == 0x2029 ||
           point == 0xfeff || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* Length of the character at `at`, 0 when it may not stand there. */
static size_t character(const unsigned char *at, size_t left)
{
    const struct sequence *sequence = sequences;

    while (sequence < sequences + CL_COUNT(sequences) &&
           (at[0] < sequence->from || at[0] > sequence->to))
        sequence++;
    if (sequence == sequences + CL_COUNT(sequences) || sequence->follow >= left)
        return 0;

    uint32_t point = sequence->follow ? at[0] & (0x3fu >> sequence->follow) : at[0];
    for (unsigned i = 1; i <= sequence->follow; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    if (point < sequence->least || point > sequence->most || is_refused(point))
        return 0;
    return sequence->follow + 1;
}

size_t cl_text_check(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length) {
        size_t step = character((const unsigned char *)text + at, length - at);
        bool is_break = text[at] == '\n' || text[at] == '\t' ||
                        (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n');
        if (step == 0 && !is_break)
            break;
        at += step ? step : 1;
    }
    return at;
}

static size_t identifier(const char *text)
{
    return strspn(text, LETTERS "_") == 0 ? 0 : strspn(text, LETTERS DIGITS "_");
}

bool cl_text_is_identifier(const char *text)
{
    size_t length = identifier(text);

    return length > 0 && length < WORD_MAX && text[length] == '\0';
}

bool cl_text_is_module(const char *text)
{
    if (strlen(text) >= 2 * WORD_MAX)
        return false;
    for (;;) {
        size_t length = identifier(text);
        if (length == 0)
            return false;
        if (text[length] == '\0')
            return true;
        if (text[length] != '.')
            return false;
        text += length + 1;
    }
}

bool cl_text_is_policy_name(const char *text)
{
    static const char start[] = "abcdefghijklmnopqrstuvwxyz" DIGITS;
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz" DIGITS "_-");

    return length > 0 && length < WORD_MAX && text[length] == '\0' && strchr(start, text[0]);
}

/* Whole and fraction are added apart, so that nothing is ever rounded. */
static int scaled(const char *text, size_t whole, size_t fraction, uint64_t scale,
                  uint64_t *value)
{
    uint64_t sum = 0, part = 0;

    for (size_t i = 0; i < whole; i++) {
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
            return -1;
    }
    if (__builtin_mul_overflow(sum, scale, &sum))
        return -1;
    for (size_t i = 0; i < fraction; i++) {
        /* part < 10 * 10^i stays small: the grammar allows six digits. */
        part = part * 10 + (uint64_t)(text[whole + 1 + i] - '0');
    }
    uint64_t power = 1;
    for (size_t i = 0; i < fraction; i++)
        power *= 10;
    if (__builtin_mul_overflow(part, scale, &part) || part % power != 0)
        return -1;
    return __builtin_add_overflow(sum, part / power, value) ? -1 : 0;
}

static int parse_units(const char *text, const struct unit *units, size_t count,
                       uint64_t *value)
{
    size_t whole = strspn(text, DIGITS);
    size_t fraction = 0;
    const char *name = text + whole;

    if (whole == 0 || whole > 20)
        return -1;
    if (*name == '.') {
        fraction = strspn(name + 1, DIGITS);
        name += 1 + fraction;
        if (fraction == 0 || fraction > 6)
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return scaled(text, whole, fraction, units[i].scale, value);
    }
    return -1;
}

int cl_text_parse_count(const char *text, uint64_t *value)
{
    return strchr(text, '.') ? -1 : parse_units(text, count_units, 1, value);
}

int cl_text_parse_bytes(const char *text, uint64_t *value)
{
    return parse_units(text, byte_units, CL_COUNT(byte_units), value);
}

int cl_text_parse_time(const char *text, uint64_t *value)
{
    return parse_units(text, time_units, CL_COUNT(time_units), value);
}

int cl_text_parse_milli(const char *text, uint64_t *value)
{
    return parse_units(text, milli_units, 1, value);
}

/* With the largest unit that divides it. */
static void format_units(uint64_t value, const struct unit *units, size_t count, char *text,
                         size_t size)
{
    const struct unit *best = &units[0];

    for (size_t i = 0; i < count; i++) {
        if (value != 0 && value % units[i].scale == 0 && units[i].scale > best->scale)
            best = &units[i];
    }
    snprintf(text, size, "%" PRIu64 "%s", value / best->scale, best->name);
}

void cl_text_format_bytes(uint64_t value, char *text, size_t size)
{
    format_units(value, byte_units, CL_COUNT(byte_units), text, size);
}

void cl_text_format_time(uint64_t value, char *text, size_t size)
{
    format_units(value, time_units, CL_COUNT(time_units), text, size);
}

void cl_text_format_milli(uint64_t value, char *text, size_t size)
{
    snprintf(text, size, "%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);
    size_t length = strnlen(text, size);
    while (length > 2 && text[length - 1] == '0' && text[length - 2] != '.')
        text[--length] = '\0';
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edits (add, drop, change one letter) from one word to the other, for words < WORD_MAX. */
static unsigned edits(const char *from, const char *to)
{
    unsigned row[WORD_MAX];
    size_t width = strlen(to);

    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; from[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < width; j++) {
            unsigned above = row[j + 1];
            unsigned change = diagonal + (from[i] != to[j]);
            row[j + 1] = least(change, least(above, row[j]) + 1);
            diagonal = above;
        }
    }
    return row[width];
}

void cl_text_nearest_try(struct cl_text_nearest *nearest, const char *word)
{
    size_t length = strlen(nearest->wanted);

    if (length >= WORD_MAX || strlen(word) >= WORD_MAX)
        return;
    unsigned distance = edits(nearest->wanted, word);
    if (distance > 1 + length / 3 || distance >= nearest->distance)
        return;
    nearest->distance = distance;
    nearest->word = word;
}
