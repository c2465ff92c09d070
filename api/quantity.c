/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads "64Mi" and "1.5s" exactly: integers only, never through a float.
 * Runs in: cloche-api.
 * Trusts: nothing; text comes from callers.
 */
#include "api/quantity.h"

#include <stdbool.h>
#include <string.h>

#include "sandbox/base/own.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
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

static const struct unit times[] = {
    { "ms", 1 },
    { "s", 1000 },
    { "m", 60000 },
    { "h", 3600000 },
};

/* Digits with at most three decimals: value = whole + thousandths / 1000. */
struct number {
    uint64_t whole;
    uint64_t thousandths;
    size_t length; /* of the text */
};

static bool read_number(const char *text, size_t length, struct number *number)
{
    static const uint64_t weight[] = { 100, 10, 1 };
    size_t at = 0;

    *number = (struct number){ 0 };
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
        if (at >= 18)
            return false;
        number->whole = number->whole * 10 + (uint64_t)(text[at] - '0');
    }
    if (at == 0)
        return false;
    if (at < length && text[at] == '.') {
        const size_t point = at++;

        for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
            if (at - point > CL_COUNT(weight))
                return false;
            number->thousandths += weight[at - point - 1] * (uint64_t)(text[at] - '0');
        }
        if (at == point + 1)
            return false;
    }
    number->length = at;
    return true;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *text,
                                    size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0)
            return &units[i];
    }
    return NULL;
}

static bool scale(const struct number *number, uint64_t factor, uint64_t *value)
{
    uint64_t whole;
    uint64_t part;

    if (__builtin_mul_overflow(number->whole, factor, &whole) ||
        __builtin_mul_overflow(number->thousandths, factor, &part) || part % 1000 != 0 ||
        __builtin_add_overflow(whole, part / 1000, value))
        return false;
    return *value < 1ull << 63;
}

int cl_quantity_bytes(const char *text, size_t length, uint64_t *bytes, struct cl_err *err)
{
    struct number number;
    const struct unit *unit = NULL;

    if (read_number(text, length, &number))
        unit = find_unit(sizes, CL_COUNT(sizes), text + number.length, length - number.length);
    if (!unit || !scale(&number, unit->factor, bytes))
        return cl_fail(err, CL_E_INPUT,
                       "not a size; write whole bytes, or a number with Ki Mi Gi Ti k M G T");
    return 0;
}

int cl_quantity_ms(const char *text, size_t length, uint64_t *ms, struct cl_err *err)
{
    struct number number;
    const struct unit *unit = NULL;

    if (read_number(text, length, &number))
        unit = find_unit(times, CL_COUNT(times), text + number.length, length - number.length);
    if (!unit || !scale(&number, unit->factor, ms))
        return cl_fail(err, CL_E_INPUT, "not a time; write a number with ms, s, m or h");
    return 0;
}
