/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composes lines of the audit log so that no text in them can end one, or look like another.
 * Runs in: cloche-api, and cloche, which checks what was composed.
 * Trusts: the names of members; no value.
 */
#include "api/audit/line.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "api/json/text.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

#define CUT_MARK  ",\"cut\":true"
#define HASH_MARK ",\"hash\":\""
#define DOTS      "..."

enum {
    /* Kept free for the end: open objects, the mark of a cut, the hash, quote, brace, newline. */
    END_BYTES = CL_AUDIT_DEPTH + sizeof(CUT_MARK) + sizeof(HASH_MARK) + CL_AUDIT_HEAD + 3,
    ROOM = CL_AUDIT_LINE_MAX - END_BYTES,
    ESCAPED_MAX = 12, /* of one character: two of \uXXXX */
};

const char cl_audit_no_head[CL_AUDIT_HEAD] =
    "0000000000000000000000000000000000000000000000000000000000000000";

/* -------------------------------------------------------------------------------------- members */

static bool put(struct cl_auditline *line, const char *bytes, size_t length)
{
    if (line->is_full || line->length > ROOM || length > ROOM - line->length)
        return false;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
    return true;
}

/* What came since `start` is left out again. */
static void leave_out(struct cl_auditline *line, size_t start)
{
    line->length = start;
    line->is_cut = true;
}

static bool put_name(struct cl_auditline *line, const char *name)
{
    const bool is_first = line->text[line->length - 1] == '{';

    return put(line, is_first ? "\"" : ",\"", is_first ? 1 : 2) &&
           put(line, name, strlen(name)) && put(line, "\":", 2);
}

void cl_auditline_open(struct cl_auditline *line, uint64_t seq, int64_t unix_us,
                       const char *event)
{
    char when[CL_UTC_SIZE];

    line->depth = 0;
    line->is_cut = line->is_full = false;
    line->length = (size_t)snprintf(line->text, sizeof(line->text),
                                    "{\"seq\":%" PRIu64 ",\"time\":\"%sZ\",\"event\":\"%s\"",
                                    seq, cl_utc_text(unix_us, 3, when), event);
}

static uint32_t point_of(const unsigned char *at, size_t size)
{
    uint32_t point = size == 1 ? at[0] : at[0] & (0xffu >> (size + 1));

    for (size_t i = 1; i < size; i++)
        point = point << 6 | (at[i] & 0x3fu);
    return point;
}

static size_t put_unit(char *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";

    memcpy(out, "\\u", 2);
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = digits[unit >> (12 - 4 * i) & 15];
    return 6;
}

/* What stands for the character at `text`; *taken is its length. */
static size_t escape(const char *text, size_t length, size_t *taken, char out[ESCAPED_MAX])
{
    const size_t size = cl_jsontext_utf8(text, length);
    const uint32_t point = size ? point_of((const unsigned char *)text, size) : 0xfffd;

    *taken = size ? size : 1;
    if (point < 0x10000)
        return put_unit(out, point);
    return put_unit(out, 0xd800 + ((point - 0x10000) >> 10)) +
           put_unit(out + 6, 0xdc00 + (point & 0x3ff));
}

/* Bytes that stand for themselves, up to the first that does not: nearly always all. */
static size_t plain_length(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length && text[at] >= 0x20 && text[at] < 0x7f && text[at] != '"' &&
           text[at] != '\\')
        at++;
    return at;
}

static bool put_escaped(struct cl_auditline *line, const char *text, size_t length)
{
    char out[ESCAPED_MAX];

    for (size_t at = 0, taken;; at += taken) {
        const size_t plain = plain_length(text + at, length - at);
        if (!put(line, text + at, plain))
            return false;
        at += plain;
        if (at == length)
            return true;
        const size_t made = escape(text + at, length - at, &taken, out);
        if (!put(line, out, made))
            return false;
    }
}

void cl_auditline_text(struct cl_auditline *line, const char *name, const char *text,
                       size_t length, size_t most)
{
    const size_t start = line->length;
    const bool is_long = length > most;

    if (!put_name(line, name) || !put(line, "\"", 1) ||
        !put_escaped(line, text, is_long ? most : length) ||
        (is_long && !put(line, DOTS, strlen(DOTS))) || !put(line, "\"", 1))
        leave_out(line, start);
}

void cl_auditline_word(struct cl_auditline *line, const char *name, const char *word)
{
    if (word && word[0])
        cl_auditline_text(line, name, word, strlen(word), CL_AUDIT_LINE_MAX);
}

void cl_auditline_number(struct cl_auditline *line, const char *name, uint64_t number)
{
    const size_t start = line->length;
    char digits[24];
    const int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    if (!put_name(line, name) || !put(line, digits, (size_t)length))
        leave_out(line, start);
}

void cl_auditline_object(struct cl_auditline *line, const char *name)
{
    const size_t start = line->length;

    CL_CHECK(line->depth < CL_AUDIT_DEPTH);
    line->is_open[line->depth] = put_name(line, name) && put(line, "{", 1);
    if (!line->is_open[line->depth++]) {
        leave_out(line, start);
        line->is_full = true; /* its members have no other place */
    }
}

void cl_auditline_close(struct cl_auditline *line)
{
    CL_CHECK(line->depth > 0);
    if (line->is_open[--line->depth])
        line->text[line->length++] = '}'; /* its room is kept */
}

/* ------------------------------------------------------------------------------------------ end */

void cl_audit_hash(const char before[CL_AUDIT_HEAD], const char *bytes, size_t length,
                   char head[CL_AUDIT_HEAD])
{
    crypto_generichash_state state;
    uint8_t hash[CL_AUDIT_HASH];

    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    crypto_generichash_update(&state, (const uint8_t *)before, CL_AUDIT_HEAD - 1);
    crypto_generichash_update(&state, (const uint8_t *)bytes, length);
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(head, CL_AUDIT_HEAD, hash, sizeof(hash));
}

static void append(struct cl_auditline *line, const char *text)
{
    const size_t length = strlen(text);

    CL_CHECK(length <= sizeof(line->text) - line->length);
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

void cl_auditline_seal(struct cl_auditline *line, char head[CL_AUDIT_HEAD])
{
    CL_CHECK(line->depth == 0);
    if (line->is_cut)
        append(line, CUT_MARK);
    cl_audit_hash(head, line->text, line->length, head);
    append(line, HASH_MARK);
    append(line, head);
    append(line, "\"}\n");
}
