/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name=value&name=value, and what the values may be.
 * Runs in: cloche-api.
 * Trusts: http1/target.c let only printable ASCII with whole escapes through; nothing else.
 */
#include "api/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/json/text.h"
#include "api/quantity.h"

enum { KNOWN_TEXT = 128, NAME_MAX_BYTES = 64 };

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes into `room`, which is terminated. False: too long, or an escape that is none. */
static bool decode(const char *text, size_t length, char *room, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i] == '+' ? ' ' : text[i];

        if (c == '%') {
            if (length - i < 3 || hex_of(text[i + 1]) < 0 || hex_of(text[i + 2]) < 0)
                return false;
            c = (char)(hex_of(text[i + 1]) << 4 | hex_of(text[i + 2]));
            i += 2;
        }
        if (at + 1 >= size)
            return false;
        room[at++] = c;
    }
    room[at] = '\0';
    return strlen(room) == at; /* no NUL was in it */
}

static bool is_text(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        const size_t length = cl_jsontext_utf8(text, left);

        if (length == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
        text += length;
        left -= length;
    }
    return true;
}

static int refuse_name(const char *name, const struct cl_query *known, size_t count,
                       struct cl_refusal *refusal)
{
    char names[KNOWN_TEXT] = "";
    size_t at = 0;

    if (count == 0)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "no query has a meaning here");
    for (size_t i = 0; i < count && at < sizeof(names); i++)
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "",
                               known[i].name);
    return cl_refusal_set(refusal, CL_R_MALFORMED, "no parameter \"%s\" here; known: %s", name,
                          names);
}

static int take(const char *pair, size_t length, struct cl_query *known, size_t count,
                struct cl_refusal *refusal)
{
    const char *mark = memchr(pair, '=', length);
    const size_t name_length = mark ? (size_t)(mark - pair) : length;
    char name[NAME_MAX_BYTES];

    if (!decode(pair, name_length, name, sizeof(name)) || !is_text(name))
        return refuse_name("...", known, count, refusal);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        if (known[i].is_given)
            return cl_refusal_set(refusal, CL_R_MALFORMED, "parameter \"%s\" came twice", name);
        if (!mark)
            return cl_refusal_set(refusal, CL_R_MALFORMED, "parameter \"%s\" needs a value",
                                  name);
        known[i].is_given = true;
        if (!decode(mark + 1, length - name_length - 1, known[i].value,
                    sizeof(known[i].value)) ||
            !is_text(known[i].value))
            return cl_refusal_set(refusal, CL_R_MALFORMED,
                                  "parameter \"%s\" is no text of at most %d bytes", name,
                                  CL_QUERY_VALUE_MAX - 1);
        return 0;
    }
    return refuse_name(name, known, count, refusal);
}

int cl_query_parse(const char *query, struct cl_query *known, size_t count,
                   struct cl_refusal *refusal)
{
    for (size_t i = 0; i < count; i++) {
        known[i].is_given = false;
        known[i].value[0] = '\0';
    }
    while (*query) {
        const size_t length = strcspn(query, "&");

        if (take(query, length, known, count, refusal) < 0)
            return -1;
        query += length;
        if (*query == '&' && *++query == '\0')
            return cl_refusal_set(refusal, CL_R_MALFORMED, "the query ends in '&'");
    }
    return 0;
}

/* ------------------------------------------------------------------------------------- values */

int cl_query_u64(const struct cl_query *query, uint64_t least, uint64_t most, uint64_t *number,
                 struct cl_refusal *refusal)
{
    const char *at = query->value;
    uint64_t value = 0;

    if (!query->is_given)
        return 0;
    for (; *at >= '0' && *at <= '9' && value <= UINT64_MAX / 10 - 1; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == query->value || *at || value < least || value > most)
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "parameter \"%s\" is a whole number from %" PRIu64 " to %" PRIu64,
                              query->name, least, most);
    *number = value;
    return 0;
}

int cl_query_flag(const struct cl_query *query, bool *flag, struct cl_refusal *refusal)
{
    if (!query->is_given)
        return 0;
    if ((query->value[0] != '0' && query->value[0] != '1') || query->value[1])
        return cl_refusal_set(refusal, CL_R_MALFORMED, "parameter \"%s\" is 0 or 1",
                              query->name);
    *flag = query->value[0] == '1';
    return 0;
}

int cl_query_ms(const struct cl_query *query, uint64_t most_ms, uint64_t *ms,
                struct cl_refusal *refusal)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t value = 0;

    if (!query->is_given)
        return 0;
    if (cl_quantity_ms(query->value, strlen(query->value), &value, &err) < 0 || value > most_ms)
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "parameter \"%s\" is a time such as 30s, at most %" PRIu64 "s",
                              query->name, most_ms / 1000);
    *ms = value;
    return 0;
}

int cl_query_word(const struct cl_query *query, const char *const *words, int *place,
                  struct cl_refusal *refusal)
{
    char known[KNOWN_TEXT] = "";
    size_t at = 0;

    if (!query->is_given)
        return 0;
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], query->value) == 0) {
            *place = i;
            return 0;
        }
        if (at < sizeof(known))
            at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
                                   words[i]);
    }
    return cl_refusal_set(refusal, CL_R_MALFORMED, "parameter \"%s\" is one of %s", query->name,
                          known);
}
