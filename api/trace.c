/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads traceparent and tracestate, and makes what is handed on.
 * Runs in: cloche-api.
 * Trusts: nothing of the two fields beyond the grammar of a field's value.
 */
#include "api/trace.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1/exchange.h"
#include "sandbox/base/own.h"

enum {
    MEMBERS_MAX = 32,
    KEY_MAX = 256,
    TENANT_MAX = 241, /* of a key "tenant@system" */
    SYSTEM_MAX = 14,
    VALUE_MAX = 256,
    SPAN_BYTES = 8,
    TRACE_AT = 3, /* "00-" */
    TRACE_DIGITS = 32,
    SPAN_AT = TRACE_AT + TRACE_DIGITS + 1,
    SPAN_DIGITS = 16,
    FLAGS_AT = SPAN_AT + SPAN_DIGITS + 1,
    FLAGS_KNOWN = 3, /* sampled (level 1), random trace id (level 2) */
};

/* ------------------------------------------------------------------------------ traceparent */

static const char shape[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

/* Of a digit that was checked to be one. */
static unsigned hex(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static bool is_shaped(const char *text)
{
    for (size_t i = 0; i < CL_TRACE_PARENT; i++) {
        const bool is_hex =
            (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

        if (shape[i] == 'h' ? !is_hex : text[i] != '-')
            return false; /* also at the end of a shorter text */
    }
    return true;
}

static bool is_zero(const char *digits, size_t count)
{
    return strspn(digits, "0") >= count;
}

/* Version 00 ends here; a later one may have more behind a "-". */
static bool is_parent(const char *text)
{
    if (!is_shaped(text) || strncmp(text, "ff", 2) == 0)
        return false;
    if (text[CL_TRACE_PARENT] != '\0' &&
        (strncmp(text, "00", 2) == 0 || text[CL_TRACE_PARENT] != '-'))
        return false;
    return !is_zero(text + TRACE_AT, TRACE_DIGITS) && !is_zero(text + SPAN_AT, SPAN_DIGITS);
}

bool cl_trace_continue(const char *parent, const uint8_t span[SPAN_BYTES],
                       char out[CL_TRACE_PARENT + 1])
{
    char digits[SPAN_DIGITS + 1];
    unsigned flags;

    out[0] = '\0';
    if (!is_parent(parent))
        return false;
    flags = (hex(parent[FLAGS_AT]) << 4 | hex(parent[FLAGS_AT + 1])) & FLAGS_KNOWN;
    sodium_bin2hex(digits, sizeof(digits), span, SPAN_BYTES);
    snprintf(out, CL_TRACE_PARENT + 1, "00-%.32s-%s-%02x", parent + TRACE_AT, digits, flags);
    return true;
}

/* ------------------------------------------------------------------------------- tracestate */

static bool is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("_-*/", byte));
}

static bool is_key_part(const char *text, size_t length, size_t most, bool may_be_digit)
{
    if (length == 0 || length > most || strchr("_-*/", text[0]) ||
        (!may_be_digit && text[0] <= '9'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_key_byte(text[i]))
            return false;
    }
    return true;
}

static bool is_key(const char *text, size_t length)
{
    const char *at = memchr(text, '@', length);
    const size_t tenant = at ? (size_t)(at - text) : 0;

    if (!at)
        return is_key_part(text, length, KEY_MAX, false);
    return is_key_part(text, tenant, TENANT_MAX, true) &&
           is_key_part(at + 1, length - tenant - 1, SYSTEM_MAX, false);
}

static bool is_value(const char *text, size_t length)
{
    if (length == 0 || length > VALUE_MAX || text[length - 1] == ' ')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '=')
            return false;
    }
    return true;
}

struct member {
    const char *key;
    size_t length;
};

static bool is_among(const struct member *members, size_t count, const struct member *one)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].length == one->length &&
            memcmp(members[i].key, one->key, one->length) == 0)
            return true;
    }
    return false;
}

/* One member [text, text + length) without blanks around it. */
static bool take_member(const char *text, size_t length, struct member *member)
{
    const char *equals = memchr(text, '=', length);

    if (!equals)
        return false;
    *member = (struct member){ text, (size_t)(equals - text) };
    return is_key(text, member->length) && is_value(equals + 1, length - member->length - 1);
}

bool cl_trace_is_state(const char *text)
{
    struct member members[MEMBERS_MAX];
    size_t count = 0;

    if (strlen(text) > CL_TRACE_STATE_MAX)
        return false;
    for (;;) {
        text += strspn(text, " \t");
        size_t length = strcspn(text, ",");
        const char *next = text + length;

        while (length > 0 && strchr(" \t", text[length - 1]))
            length--;
        if (length > 0) { /* members may be empty */
            struct member one;
            if (count == MEMBERS_MAX || !take_member(text, length, &one) ||
                is_among(members, count, &one))
                return false;
            members[count++] = one;
        }
        if (*next == '\0')
            return count > 0;
        text = next + 1;
    }
}

/* ---------------------------------------------------------------------------------- requests */

/* Its lines joined; "" when it is not valid, or too long. */
static void read_state(const struct cl_http_head *head, char state[CL_TRACE_STATE_MAX + 1])
{
    size_t at = 0;

    state[0] = '\0';
    for (size_t i = 0; i < head->field_count; i++) {
        const char *value = head->fields[i].value;
        const size_t length = strlen(value);

        if (strcmp(head->fields[i].name, "tracestate") != 0)
            continue;
        if (at + length + 1 > CL_TRACE_STATE_MAX) {
            state[0] = '\0';
            return;
        }
        at += (size_t)snprintf(state + at, CL_TRACE_STATE_MAX + 1 - at, "%s%s", at ? "," : "",
                               value);
    }
    if (!cl_trace_is_state(state))
        state[0] = '\0';
}

/* With a span that is new, and not the one that means none. */
static char *make(const char *parent, const char *state)
{
    char trace[CL_TRACE_MAX + 1];
    uint8_t span[SPAN_BYTES];
    char *made;

    do
        randombytes_buf(span, sizeof(span));
    while (sodium_is_zero(span, sizeof(span)));
    if (!cl_trace_continue(parent, span, trace))
        return NULL;
    if (state[0])
        snprintf(trace + CL_TRACE_PARENT, sizeof(trace) - CL_TRACE_PARENT, " %s", state);
    made = strdup(trace);
    CL_CHECK(made);
    return made;
}

/* Several are none: nobody can say which one is meant. */
static const char *only_parent(const struct cl_http_head *head)
{
    const char *parent = NULL;

    for (size_t i = 0; i < head->field_count; i++) {
        if (strcmp(head->fields[i].name, "traceparent") != 0)
            continue;
        if (parent)
            return NULL;
        parent = head->fields[i].value;
    }
    return parent;
}

char *cl_trace_of(const struct cl_http_head *head)
{
    const char *parent = only_parent(head);
    char state[CL_TRACE_STATE_MAX + 1] = "";

    if (!parent || !is_parent(parent))
        return NULL;
    read_state(head, state);
    return make(parent, state);
}

/* ------------------------------------------------------------------------------------- parts */

static bool is_trace(const char *trace)
{
    return trace && is_shaped(trace) &&
           (trace[CL_TRACE_PARENT] == '\0' || trace[CL_TRACE_PARENT] == ' ');
}

char *cl_trace_branch(const char *trace)
{
    char parent[CL_TRACE_PARENT + 1];

    if (!is_trace(trace))
        return NULL;
    memcpy(parent, trace, CL_TRACE_PARENT);
    parent[CL_TRACE_PARENT] = '\0';
    return make(parent, cl_trace_state(trace));
}

void cl_trace_id(const char *trace, char id[CL_TRACE_ID_SIZE])
{
    id[0] = '\0';
    if (!is_trace(trace))
        return;
    memcpy(id, trace + TRACE_AT, TRACE_DIGITS);
    id[TRACE_DIGITS] = '\0';
}

const char *cl_trace_state(const char *trace)
{
    return is_trace(trace) && trace[CL_TRACE_PARENT] ? trace + CL_TRACE_PARENT + 1 : "";
}
