/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the row of a key, and says which one was probably meant when there is none.
 * Runs in: cloche-policyc.
 * Trusts: the tables; nothing that is parsed.
 */
#include "policies/keys.h"

#include <stdio.h>
#include <string.h>

#include "policies/text.h"

enum { WHERE_SIZE = 200, WORDS_SIZE = 480 };

const struct cl_key *cl_keys_find(const struct cl_keys *keys, const char *path)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->rows[i].path, path) == 0)
            return &keys->rows[i];
    }
    return NULL;
}

const struct cl_key *cl_keys_next(const struct cl_keys *keys, const char *section,
                                  const struct cl_key *previous)
{
    size_t length = strlen(section);
    size_t start = previous ? (size_t)(previous - keys->rows) + 1 : 0;

    for (size_t i = start; i < keys->count; i++) {
        const char *rest = keys->rows[i].path;
        if (length > 0 && (strncmp(rest, section, length) != 0 || rest[length] != '.'))
            continue;
        rest += length > 0 ? length + 1 : 0;
        if (!strchr(rest, '.'))
            return &keys->rows[i];
    }
    return NULL;
}

/* The same word in another section: people put keys one level too high or too low. */
static const char *elsewhere(const struct cl_keys *keys, const char *word)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(cl_table_word(&keys->rows[i]), word) == 0)
            return keys->rows[i].path;
    }
    return NULL;
}

int cl_keys_unknown(const struct cl_keys *keys, const char *section, const char *where,
                    const struct cl_node *key, struct cl_report *report)
{
    struct cl_text_nearest nearest = CL_TEXT_NEAREST_INIT(key->text);
    char allowed[WORDS_SIZE] = "", in[WHERE_SIZE] = "";
    const struct cl_key *row = NULL;

    while ((row = cl_keys_next(keys, section, row))) {
        size_t used = strlen(allowed);
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
                 cl_table_word(row));
        cl_text_nearest_try(&nearest, cl_table_word(row));
    }
    if (!nearest.word)
        nearest.word = elsewhere(keys, key->text);
    if (*where)
        snprintf(in, sizeof(in), " in '%s'", where);
    return cl_report_add(report, key->place, "unknown key '%.60s'%s; %s%s%sallowed: %s",
                         key->text, in, nearest.word ? "did you mean '" : "",
                         nearest.word ? nearest.word : "", nearest.word ? "'? " : "", allowed);
}
