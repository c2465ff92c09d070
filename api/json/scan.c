/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that a text is one JSON value (RFC 8259) and nothing else, in one pass, without
 * recursion.
 * Runs in: cloche-api.
 * Trusts: nothing; the text is a caller's or a worker's.
 */
#include "api/json/scan.h"

#include <string.h>

#include "api/json/keys.h"
#include "api/json/text.h"
#include "sandbox/base/own.h"

/* A little over CL_DEPTH_MAX: an answer wraps a value of that depth into its envelope. */
enum { DEPTH_MAX = 68 };

struct level {
    bool is_object;
    size_t mark; /* keys->count when it was opened */
};

struct scan {
    const char *start, *at, *end;
    const struct cl_json_caps *caps;
    struct cl_err *err;
    size_t nodes;
    unsigned depth; /* containers open here */
    struct level levels[DEPTH_MAX];
    struct cl_jsonkeys keys;
};

/* Lines and columns count from 1; a column is a character. */
static int fail(struct scan *s, enum cl_err_kind kind, const char *what)
{
    size_t line = 1, column = 1;

    for (const char *at = s->start; at < s->at; at++) {
        if (*at == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*at & 0xc0) != 0x80) {
            column++;
        }
    }
    return cl_fail(s->err, kind, "line %zu column %zu: %s", line, column, what);
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static int count_node(struct scan *s)
{
    if (s->nodes++ >= s->caps->nodes)
        return fail(s, CL_E_LIMIT, "too many values");
    return 0;
}

/* --------------------------------------------------------------------------------- strings */

/* "\uXXXX" at s->at; half a pair of surrogates is refused. */
static int scan_unicode_escape(struct scan *s)
{
    int point = cl_jsontext_hex4(s->at + 2, (size_t)(s->end - s->at - 2));
    int low;

    if (point < 0)
        return fail(s, CL_E_INPUT, "\\u needs four hexadecimal digits");
    if (point < 0xd800 || point > 0xdfff) {
        s->at += 6;
        return 0;
    }
    if (point > 0xdbff || s->end - s->at < 12 || s->at[6] != '\\' || s->at[7] != 'u')
        return fail(s, CL_E_INPUT, "half of a pair of surrogates");
    low = cl_jsontext_hex4(s->at + 8, 4);
    if (low < 0xdc00 || low > 0xdfff)
        return fail(s, CL_E_INPUT, "half of a pair of surrogates");
    s->at += 12;
    return 0;
}

static int scan_escape(struct scan *s)
{
    if (s->end - s->at < 2)
        return fail(s, CL_E_INPUT, "the text ends inside a string");
    if (s->at[1] == 'u')
        return scan_unicode_escape(s);
    if (!s->at[1] || !strchr("\"\\/bfnrt", s->at[1]))
        return fail(s, CL_E_INPUT, "an unknown escape in a string");
    s->at += 2;
    return 0;
}

/* A byte that is not plain, not a quote and not an escape. */
static int scan_odd_byte(struct scan *s)
{
    size_t length = cl_jsontext_utf8(s->at, (size_t)(s->end - s->at));

    if ((unsigned char)*s->at < 0x20)
        return fail(s, CL_E_INPUT, "a control character in a string must be escaped");
    if (length == 0)
        return fail(s, CL_E_INPUT, "a string is not valid UTF-8");
    s->at += length;
    return 0;
}

/* From the opening quote to behind the closing one. Returns whether there were escapes. */
static int scan_string(struct scan *s)
{
    int has_escapes = 0;

    s->at++;
    for (;;) {
        s->at += cl_jsontext_plain(s->at, (size_t)(s->end - s->at));
        if (s->at == s->end)
            return fail(s, CL_E_INPUT, "the text ends inside a string");
        if (*s->at == '"')
            break;
        if (*s->at == '\\') {
            has_escapes = 1;
            if (scan_escape(s) < 0)
                return -1;
            continue;
        }
        while (s->at < s->end && (unsigned char)*s->at >= 0x7f) {
            if (scan_odd_byte(s) < 0)
                return -1;
        }
        if (s->at < s->end && (unsigned char)*s->at < 0x20)
            return scan_odd_byte(s);
    }
    s->at++;
    return has_escapes;
}

/* A key, its colon, and the check that the object has it only once. */
static int scan_key(struct scan *s)
{
    struct cl_jsonkey key = { 0 };
    const char *quote;

    skip_space(s);
    if (s->at == s->end || *s->at != '"')
        return fail(s, CL_E_INPUT, "a key in quotes is needed here");
    quote = s->at;
    int has_escapes = scan_string(s);
    if (has_escapes < 0 || count_node(s) < 0)
        return -1;

    key.raw = quote + 1;
    key.length = (uint32_t)(s->at - quote - 2);
    key.has_escapes = has_escapes;
    int known = cl_jsonkeys_put(&s->keys, s->levels[s->depth - 1].mark, key, s->err);
    if (known > 0)
        s->at = quote;
    if (known != 0)
        return known > 0 ? fail(s, CL_E_INPUT, "this key came before in the same object") : -1;

    skip_space(s);
    if (s->at == s->end || *s->at != ':')
        return fail(s, CL_E_INPUT, "':' is needed behind a key");
    s->at++;
    return 0;
}

/* --------------------------------------------------------------------------------- scalars */

static size_t skip_digits(struct scan *s)
{
    const char *from = s->at;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return (size_t)(s->at - from);
}

static int scan_integer(struct scan *s)
{
    bool starts_with_zero = s->at < s->end && *s->at == '0';
    size_t digits = skip_digits(s);

    if (digits == 0)
        return fail(s, CL_E_INPUT, "a number needs a digit here");
    if (starts_with_zero && digits > 1)
        return fail(s, CL_E_INPUT, "a number may not start with 0");
    return 0;
}

static int scan_number(struct scan *s)
{
    const char *from = s->at;

    if (*s->at == '-')
        s->at++;
    if (scan_integer(s) < 0)
        return -1;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return fail(s, CL_E_INPUT, "a number needs a digit here");
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        if (skip_digits(s) == 0)
            return fail(s, CL_E_INPUT, "a number needs a digit here");
    }
    if ((size_t)(s->at - from) > s->caps->number_bytes)
        return fail(s, CL_E_LIMIT, "a number is too long");
    return 0;
}

static int scan_word(struct scan *s)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < CL_COUNT(words); i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(s->end - s->at) >= length && memcmp(s->at, words[i], length) == 0) {
            s->at += length;
            return 0;
        }
    }
    return fail(s, CL_E_INPUT, "a value is needed here");
}

/* ------------------------------------------------------------------------------ containers */

static void close_level(struct scan *s)
{
    s->at++;
    cl_jsonkeys_drop(&s->keys, s->levels[--s->depth].mark);
}

/* Returns 1 when the container is empty, so complete; 0 when its first value comes next. */
static int open_level(struct scan *s)
{
    bool is_object = *s->at == '{';

    if (s->depth == s->caps->depth || s->depth == DEPTH_MAX)
        return fail(s, CL_E_LIMIT, "nested too deep");
    s->levels[s->depth++] = (struct level){ is_object, s->keys.count };
    s->at++;
    skip_space(s);
    if (s->at < s->end && *s->at == (is_object ? '}' : ']')) {
        close_level(s);
        return 1;
    }
    return is_object ? scan_key(s) : 0;
}

/* One scalar or the opening of a container. Returns 1 when a value is complete, else 0. */
static int scan_value(struct scan *s)
{
    int result;

    skip_space(s);
    if (s->at == s->end)
        return fail(s, CL_E_INPUT, "the text ends where a value is needed");
    if (count_node(s) < 0)
        return -1;

    if (*s->at == '{' || *s->at == '[')
        return open_level(s);
    if (*s->at == '"')
        result = scan_string(s);
    else if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
        result = scan_number(s);
    else
        result = scan_word(s);
    return result < 0 ? -1 : 1;
}

/* Behind a value. Returns 1 when the whole text is complete, 0 when one more value comes. */
static int scan_behind(struct scan *s)
{
    while (s->depth > 0) {
        bool is_object = s->levels[s->depth - 1].is_object;
        skip_space(s);
        if (s->at == s->end)
            return fail(s, CL_E_INPUT, "the text ends inside an array or object");
        if (*s->at == ',') {
            s->at++;
            return is_object ? scan_key(s) : 0;
        }
        if (*s->at != (is_object ? '}' : ']'))
            return fail(s, CL_E_INPUT,
                        is_object ? "',' or '}' is needed here" : "',' or ']' is needed here");
        close_level(s);
    }
    return 1;
}

static int scan_text(struct scan *s)
{
    int complete = 0;

    while (!complete) {
        complete = scan_value(s);
        if (complete > 0)
            complete = scan_behind(s);
        if (complete < 0)
            return -1;
    }
    return 0;
}

static int check(struct scan *s, struct cl_json *value)
{
    size_t length = (size_t)(s->end - s->start);

    if (length > s->caps->bytes || length > UINT32_MAX)
        return cl_fail(s->err, CL_E_LIMIT, "%zu bytes of JSON, at most %zu are accepted",
                       length, s->caps->bytes);
    skip_space(s);
    const char *from = s->at;
    if (scan_text(s) < 0)
        return -1;
    if (value)
        *value = (struct cl_json){ from, (size_t)(s->at - from) };
    skip_space(s);
    if (s->at < s->end)
        return fail(s, CL_E_INPUT, "something follows behind the value");
    return 0;
}

int cl_json_check(const char *text, size_t length, const struct cl_json_caps *caps,
                  struct cl_json *value, size_t *at, struct cl_err *err)
{
    struct scan s; /* not zeroed: the tables are large, and filled before they are read */

    if (length == 0) /* then text may be NULL */
        text = "";
    s.start = s.at = text;
    s.end = text + length;
    s.caps = caps;
    s.err = err;
    s.nodes = 0;
    s.depth = 0;
    cl_jsonkeys_init(&s.keys);
    int result = check(&s, value);
    cl_jsonkeys_fini(&s.keys);
    if (at)
        *at = (size_t)(s.at - text);
    return result;
}
