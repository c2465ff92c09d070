/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References in a text, and the tasks that they name.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing; texts are a document's or a function's.
 */
#include <stdlib.h>
#include <string.h>

#include "api/workflow/references.h"

/* ---------------------------------------------------------------------- pieces of a text */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the default that starts at `at`: the brace that closes the reference, not one of a
 * JSON value in it. `length` when there is none. No reference stands in another one, so a text
 * is read once, however many begin and never end. */
static size_t fallback_end(const char *text, size_t length, size_t at)
{
    size_t depth = 0;
    bool is_quoted = false;

    for (; at < length; at++) {
        if (is_quoted && text[at] == '\\')
            at++;
        else if (text[at] == '"')
            is_quoted = depth > 0 ? !is_quoted : false;
        else if (text[at] == '$' && at + 1 < length && text[at + 1] == '{')
            return length;
        else if (!is_quoted && text[at] == '{')
            depth++;
        else if (!is_quoted && text[at] == '}' && depth-- == 0)
            return at;
    }
    return length;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        (*length)--;
}

/* Whether a reference stands at `from`, where "${" is. */
static bool read_reference(const char *text, size_t length, size_t from, struct cl_piece *piece)
{
    const size_t most =
        length - from > CL_REFERENCE_PATH_MAX ? from + CL_REFERENCE_PATH_MAX : length;
    size_t at = from + 2;

    while (at < most && text[at] != '}' && text[at] != '{' &&
           !(text[at] == ':' && at + 1 < most && text[at + 1] == '-'))
        at++;
    if (at >= most || text[at] == '{')
        return false;
    *piece = (struct cl_piece){ .kind = CL_PIECE_REFERENCE,
                                .text = text + from,
                                .path = text + from + 2,
                                .path_length = at - from - 2 };
    if (text[at] == ':') {
        piece->fallback = text + at + 2;
        const size_t end = fallback_end(text, most, at + 2);
        piece->fallback_length = end - at - 2;
        at = end;
    }
    if (at >= most)
        return false;
    trim(&piece->path, &piece->path_length);
    piece->length = at + 1 - from;
    return piece->path_length > 0;
}

static enum cl_piece_kind plain_piece(const char *text, size_t from, size_t *at,
                                      struct cl_piece *piece)
{
    *piece =
        (struct cl_piece){ .kind = CL_PIECE_TEXT, .text = text + from, .length = *at - from };
    return piece->kind;
}

enum cl_piece_kind cl_piece_next(const char *text, size_t length, size_t *at,
                                 struct cl_piece *piece)
{
    const size_t from = *at;

    *piece = (struct cl_piece){ .kind = CL_PIECE_END };
    if (from >= length)
        return CL_PIECE_END;
    for (; *at < length; (*at)++) {
        const char *dollar = memchr(text + *at, '$', length - *at);
        *at = dollar ? (size_t)(dollar - text) : length;
        const size_t left = length - *at;
        const bool is_escape = left >= 3 && memcmp(text + *at, "$${", 3) == 0;
        const bool is_reference = !is_escape && left >= 3 && text[*at + 1] == '{' &&
                                  read_reference(text, length, *at, piece);
        if (!dollar)
            break;
        if (!is_escape && !is_reference)
            continue;
        if (*at > from)
            return plain_piece(text, from, at, piece);
        if (is_escape)
            *piece =
                (struct cl_piece){ .kind = CL_PIECE_ESCAPE, .text = text + from, .length = 3 };
        *at += piece->length;
        return piece->kind;
    }
    *at = length;
    return plain_piece(text, from, at, piece);
}

/* --------------------------------------------------------------------------------- names */

void cl_names_init(struct cl_names *names, size_t room)
{
    *names = (struct cl_names)CL_NAMES_INIT;
    names->ids = calloc(room + 1, sizeof(*names->ids));
    names->names = calloc(room + 1, sizeof(*names->names));
    CL_CHECK(names->ids && names->names);
}

void cl_names_fini(struct cl_names *names)
{
    free(names->ids);
    free(names->names);
    *names = (struct cl_names)CL_NAMES_INIT;
}

void cl_names_add(struct cl_names *names, const char *id, const char *name)
{
    const int task = (int)names->count;

    const size_t longer = strlen(id) > strlen(name) ? strlen(id) : strlen(name);

    names->longest = longer > names->longest ? longer : names->longest;
    names->ids[names->count] = (struct cl_names_entry){ id, strlen(id), task };
    names->names[names->count++] = (struct cl_names_entry){ name, strlen(name), task };
}

static int order_of(const struct cl_names_entry *a, const char *text, size_t length)
{
    const size_t least = a->length < length ? a->length : length;
    const int order = memcmp(a->text, text, least);

    return order ? order : (a->length > length) - (a->length < length);
}

static int by_text(const void *a, const void *b)
{
    const struct cl_names_entry *left = a, *right = b;
    const int order = order_of(left, right->text, right->length);

    return order ? order : (left->task > right->task) - (left->task < right->task);
}

void cl_names_sort(struct cl_names *names)
{
    qsort(names->ids, names->count, sizeof(*names->ids), by_text);
    qsort(names->names, names->count, sizeof(*names->names), by_text);
}

/* The first entry of this text; `count` when there is none. */
static size_t first_of(const struct cl_names_entry *entries, size_t count, const char *text,
                       size_t length)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (order_of(&entries[middle], text, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && order_of(&entries[low], text, length) == 0 ? low : count;
}

static int find_id(const struct cl_names *names, const char *text, size_t length)
{
    const size_t at = first_of(names->ids, names->count, text, length);

    return at < names->count ? names->ids[at].task : CL_NAMES_NONE;
}

static int find_name(const struct cl_names *names, const char *text, size_t length)
{
    const size_t at = first_of(names->names, names->count, text, length);

    if (at == names->count)
        return CL_NAMES_NONE;
    if (at + 1 < names->count && order_of(&names->names[at + 1], text, length) == 0)
        return CL_NAMES_SEVERAL;
    return names->names[at].task;
}

int cl_names_find(const struct cl_names *names, const char *text, size_t length)
{
    const int task = find_id(names, text, length);

    return task == CL_NAMES_NONE ? find_name(names, text, length) : task;
}

int cl_names_of_path(const struct cl_names *names, const char *path, size_t length,
                     size_t *used)
{
    static int (*const finds[])(const struct cl_names *, const char *, size_t) = { find_id,
                                                                                   find_name };

    for (size_t i = 0; i < 2; i++) {
        *used = length < names->longest ? length : names->longest;
        for (; *used > 0; (*used)--) {
            if (*used < length && path[*used] != '.' && path[*used] != '[')
                continue;
            const int task = finds[i](names, path, *used);
            if (task != CL_NAMES_NONE)
                return task;
        }
    }
    return CL_NAMES_NONE;
}

bool cl_path_is_sound(const char *path, size_t length)
{
    size_t at = 0;

    while (at < length) {
        const size_t from = ++at;
        if (path[from - 1] == '.') {
            while (at < length && path[at] != '.' && path[at] != '[')
                at++;
        } else if (path[from - 1] == '[') {
            while (at < length && path[at] >= '0' && path[at] <= '9')
                at++;
        } else {
            return false;
        }
        if (at == from)
            return false;
        if (path[from - 1] == '[' && (at == length || path[at++] != ']'))
            return false;
    }
    return true;
}
