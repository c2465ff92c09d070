/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists (RFC 9110 5.6.1), quoted strings (5.6.4), parameters (5.6.6) and weights (12.4.2).
 * Runs in: cloche-api.
 * Trusts: nothing; the text is a client's.
 */
#include "api/field.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t");
}

/* Behind a quoted string; its end when nothing closes it. */
static const char *skip_quoted(const char *at)
{
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
    }
    return *at ? at + 1 : at;
}

/* Up to one of these bytes outside of quotes, or the end. */
static const char *skip_to(const char *at, const char *stops)
{
    while (*at && !strchr(stops, *at))
        at = *at == '"' ? skip_quoted(at) : at + 1;
    return at;
}

/* ------------------------------------------------------------------------------------ weights */

/* "0.25": 250. What is no weight counts as none given. */
static int weight_at(const char *at)
{
    int weight = (*at - '0') * CL_FIELD_WEIGHT_MAX;
    int unit = CL_FIELD_WEIGHT_MAX / 10;

    if (*at != '0' && *at != '1')
        return CL_FIELD_WEIGHT_MAX;
    if (*++at == '.') {
        for (at++; *at >= '0' && *at <= '9' && unit > 0; at++, unit /= 10)
            weight += (*at - '0') * unit;
    }
    return weight < CL_FIELD_WEIGHT_MAX ? weight : CL_FIELD_WEIGHT_MAX;
}

/* Of the item that `at` is in, before its parameters. */
static int weight_of(const char *at)
{
    for (at = skip_to(at, ",;"); *at == ';'; at = skip_to(at, ",;")) {
        at = skip_space(at + 1);
        if (strncasecmp(at, "q=", 2) == 0)
            return weight_at(at + 2);
    }
    return CL_FIELD_WEIGHT_MAX;
}

int cl_field_weight(const char *field, const char *token)
{
    const size_t length = strlen(token);

    for (const char *at = field ? field : ""; *at; at = skip_to(at, ",")) {
        at += strspn(at, " \t,");
        if (strncasecmp(at, token, length) == 0 && strchr(" \t,;=", at[length]))
            return weight_of(at + length);
    }
    return 0;
}

/* --------------------------------------------------------------------------------- parameters */

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

bool cl_field_is_utf8(const char *parameters)
{
    static const char ends[] = " \t;,=\"";
    bool has_charset = false;

    for (const char *at = skip_space(parameters); *at; at = skip_space(at)) {
        if (*at != ';')
            return false;
        at = skip_space(at + 1);
        if (!*at || *at == ';')
            continue; /* an empty one is none */
        const char *name = at;
        const size_t name_length = strcspn(at, ends);
        if (name_length == 0 || at[name_length] != '=')
            return false;
        const char *value = at + name_length + 1;
        at = *value == '"' ? skip_quoted(value) : value + strcspn(value, ends);
        if (at == value || (*value == '"' && (at - value < 2 || at[-1] != '"')))
            return false;
        if (!is_word(name, name_length, "charset"))
            continue;
        const size_t quotes = *value == '"';
        if (has_charset || !is_word(value + quotes, (size_t)(at - value) - 2 * quotes, "utf-8"))
            return false;
        has_charset = true;
    }
    return true;
}
