/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers behind the rows of the schema: how each type is read, written and described.
 * Runs in: cloche-policyc.
 * Trusts: nothing that is parsed.
 */
#include "policies/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/text.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

static void format_count(uint64_t value, char *text, size_t size)
{
    snprintf(text, size, "%" PRIu64, value);
}

static const struct type {
    int (*parse)(const char *text, uint64_t *value);
    void (*format)(uint64_t value, char *text, size_t size);
    const char *looks;
} types[] = {
    [CL_KEY_COUNT] = { cl_text_parse_count, format_count, "a whole number" },
    [CL_KEY_BYTES] = { cl_text_parse_bytes, cl_text_format_bytes,
                       "a size with its unit, such as 64Ki, 128Mi or 1Gi" },
    [CL_KEY_TIME] = { cl_text_parse_time, cl_text_format_time,
                      "a time with its unit, such as 250ms, 5s, 10m or 4h" },
    [CL_KEY_CORES] = { cl_text_parse_milli, cl_text_format_milli,
                       "a number of cores, such as 0.5 or 2" },
};

/* The words of a row that is a choice; a bool is one between false and true. */
static const char *words_of(const struct cl_key *key)
{
    return key->type == CL_KEY_BOOL ? "false true" : key->words;
}

int cl_value_word_index(const char *words, const char *word)
{
    size_t length = strlen(word);
    int index = 0;

    if (length == 0 || strchr(word, ' '))
        return -1;
    while (*words) {
        size_t width = strcspn(words, " ");
        if (width == length && strncmp(words, word, length) == 0)
            return index;
        words += width + strspn(words + width, " ");
        index++;
    }
    return -1;
}

int cl_value_parse(const struct cl_key *key, const char *text, uint64_t *value)
{
    if (key->type == CL_KEY_WORD || key->type == CL_KEY_BOOL) {
        int index = cl_value_word_index(words_of(key), text);
        *value = index < 0 ? 0 : (uint64_t)index;
        return index < 0 ? -1 : 0;
    }
    CL_CHECK(key->type < CL_COUNT(types) && types[key->type].parse);
    return types[key->type].parse(text, value);
}

void cl_value_format(const struct cl_key *key, uint64_t value, char *text, size_t size)
{
    if (key->type < CL_COUNT(types) && types[key->type].format) {
        types[key->type].format(value, text, size);
        return;
    }

    const char *word = words_of(key);
    for (uint64_t i = 0; i < value; i++) {
        word += strcspn(word, " ");
        word += strspn(word, " ");
    }
    snprintf(text, size, "%.*s", (int)strcspn(word, " "), word);
}

void cl_value_expects(const struct cl_key *key, char *text, size_t size)
{
    char from[32], to[32];

    if (key->type >= CL_COUNT(types) || !types[key->type].looks) {
        snprintf(text, size, "one of: %s", words_of(key));
        return;
    }
    cl_value_format(key, key->least, from, sizeof(from));
    cl_value_format(key, key->most, to, sizeof(to));
    if (key->least == key->most)
        snprintf(text, size, "%s: %s", types[key->type].looks, from);
    else
        snprintf(text, size, "%s, from %s to %s", types[key->type].looks, from, to);
}
