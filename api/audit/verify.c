/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the chain of an audit log.
 * Runs in: cloche, as whoever may read the log; cloche-api, over the end of its own.
 * Trusts: nothing that it reads.
 */
#include "api/audit/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

#define HASH_MARK ",\"hash\":\""

enum { TAIL = sizeof(HASH_MARK) - 1 + CL_AUDIT_HEAD - 1 + 2 /* and `"}` */ };

/* What a line says of itself; views. */
struct parts {
    uint64_t seq;
    const char *event;
    size_t event_length;
    const char *rest; /* behind the event's quote */
    const char *hash;
    size_t hashed; /* bytes before HASH_MARK */
};

void cl_verify_init(struct cl_verify *verify)
{
    *verify = (struct cl_verify){ .is_first = true };
    memcpy(verify->head, cl_audit_no_head, sizeof(verify->head));
}

void cl_verify_begin_anywhere(struct cl_verify *verify)
{
    verify->is_first = false;
    verify->is_partial = true;
}

/* ----------------------------------------------------------------------------------- one line */

static bool skip(const char **at, const char *end, const char *text)
{
    const size_t length = strlen(text);

    if ((size_t)(end - *at) < length || memcmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* Decimal digits without a leading zero, below 2^63. */
static bool read_number(const char **at, const char *end, uint64_t *number)
{
    const char *start = *at;

    for (*number = 0; *at < end && **at >= '0' && **at <= '9' && *at - start < 18; (*at)++)
        *number = *number * 10 + (uint64_t)(**at - '0');
    return *at > start && (*start != '0' || *at == start + 1);
}

static bool read_time(const char **at, const char *end)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    for (const char *s = shape; *s; s++, (*at)++) {
        if (*at == end || (*s == 'd' ? **at < '0' || **at > '9' : **at != *s))
            return false;
    }
    return true;
}

static bool read_hash(const char **at, const char *end, const char **hash)
{
    *hash = *at;
    for (size_t i = 0; i < CL_AUDIT_HEAD - 1; i++, (*at)++) {
        if (*at == end || !((**at >= '0' && **at <= '9') || (**at >= 'a' && **at <= 'f')))
            return false;
    }
    return true;
}

static bool read_event(const char **at, const char *end, struct parts *parts)
{
    parts->event = *at;
    while (*at < end && ((**at >= 'a' && **at <= 'z') || **at == '.' || **at == '_'))
        (*at)++;
    parts->event_length = (size_t)(*at - parts->event);
    return parts->event_length > 0 && skip(at, end, "\"");
}

/* Without its newline. */
static bool read_parts(const char *line, size_t length, struct parts *parts)
{
    const char *at = line, *end = line + length;

    for (size_t i = 0; i < length; i++) {
        if (line[i] < 0x20 || line[i] > 0x7e)
            return false;
    }
    if (!skip(&at, end, "{\"seq\":") || !read_number(&at, end, &parts->seq) ||
        !skip(&at, end, ",\"time\":\"") || !read_time(&at, end) ||
        !skip(&at, end, "\",\"event\":\"") || !read_event(&at, end, parts))
        return false;
    parts->rest = at;
    if (end - at < TAIL)
        return false;
    at = end - TAIL;
    parts->hashed = (size_t)(at - line);
    return skip(&at, end, HASH_MARK) && read_hash(&at, end, &parts->hash) &&
           skip(&at, end, "\"}") && at == end;
}

static bool is_event(const struct parts *parts, const char *name)
{
    return parts->event_length == strlen(name) &&
           memcmp(parts->event, name, parts->event_length) == 0;
}

/* ----------------------------------------------------------------------------------- the chain */

static int complain(const struct cl_verify *verify, const char *why, struct cl_err *err)
{
    return cl_fail(err, CL_E_INPUT, "line %" PRIu64 ": %s", verify->line_number, why);
}

/* The first line of a file names the head of the one before; of the first file it is believed. */
static int check_open(const struct cl_verify *verify, const struct parts *parts, char *head,
                      struct cl_err *err)
{
    const char *at = parts->rest, *end = parts->hash, *prev;

    if (!is_event(parts, CL_AUDIT_OPEN) || !skip(&at, end, ",\"prev\":\"") ||
        !read_hash(&at, end, &prev))
        return complain(verify, "the beginning of the file is missing", err);
    if (verify->is_begun && memcmp(prev, verify->head, CL_AUDIT_HEAD - 1) != 0)
        return complain(verify, "the file does not go on where the one before it ends", err);
    memcpy(head, prev, CL_AUDIT_HEAD - 1);
    return 0;
}

static int check_seq(const struct cl_verify *verify, const struct parts *parts,
                     struct cl_err *err)
{
    if (!verify->is_begun)
        return 0;
    if (parts->seq == verify->seq + 1)
        return 0;
    return cl_fail(err, CL_E_INPUT,
                   "line %" PRIu64 ": number %" PRIu64 " follows number %" PRIu64,
                   verify->line_number, parts->seq, verify->seq);
}

static int check_line(struct cl_verify *verify, const struct parts *parts, struct cl_err *err)
{
    char head[CL_AUDIT_HEAD];

    memcpy(head, verify->head, sizeof(head));
    if (verify->is_first && check_open(verify, parts, head, err) < 0)
        return -1;
    if (check_seq(verify, parts, err) < 0)
        return -1;
    if (verify->is_partial && !verify->is_begun)
        return 0; /* nothing before it was read */
    cl_audit_hash(head, verify->line, parts->hashed, head);
    if (memcmp(head, parts->hash, CL_AUDIT_HEAD - 1) != 0)
        return complain(verify, "its hash does not follow from it and the line before", err);
    return 0;
}

static void take(struct cl_verify *verify, const struct parts *parts)
{
    memcpy(verify->head, parts->hash, CL_AUDIT_HEAD - 1);
    verify->seq = parts->seq;
    verify->first_seq = verify->is_begun ? verify->first_seq : parts->seq;
    verify->is_begun = true;
    verify->is_first = false;
    verify->lines++;
    for (size_t i = 0; i < CL_VERIFY_ANCHORS; i++) {
        if (verify->anchors[i] && memcmp(verify->anchors[i], verify->head, CL_AUDIT_HEAD) == 0)
            verify->found[i] = verify->seq;
    }
    if (verify->on_line)
        verify->on_line(verify->self, verify->line, verify->length);
}

/* --------------------------------------------------------------------------------- torn lines */

/* The newline before was written by whoever found the place; only those inside it belong to it. */
static void suspect(struct cl_verify *verify, const struct cl_err *why)
{
    struct cl_verify_torn *torn = &verify->torn;

    if (torn->bytes == 0) {
        crypto_generichash_init(&torn->hash, NULL, 0, CL_AUDIT_HASH);
        torn->line = verify->line_number;
        snprintf(torn->why, sizeof(torn->why), "%.*s", (int)sizeof(torn->why) - 1, why->text);
    } else {
        crypto_generichash_update(&torn->hash, (const uint8_t *)"\n", 1);
        torn->bytes++;
    }
}

static void hash_torn(struct cl_verify *verify)
{
    crypto_generichash_update(&verify->torn.hash, (const uint8_t *)verify->line,
                              verify->length);
    verify->torn.bytes += verify->length;
    verify->length = 0;
}

/* Whether the line explains what is suspected. */
static bool explains(const struct cl_verify *verify, const struct parts *parts)
{
    const char *at = parts->rest, *end = parts->hash, *hash;
    crypto_generichash_state copy = verify->torn.hash;
    uint8_t bytes[CL_AUDIT_HASH];
    char text[CL_AUDIT_HEAD];
    uint64_t count = 0;

    if (!is_event(parts, CL_AUDIT_TORN) || !skip(&at, end, ",\"bytes\":") ||
        !read_number(&at, end, &count) || !skip(&at, end, ",\"torn\":\"") ||
        !read_hash(&at, end, &hash) || count != verify->torn.bytes)
        return false;
    crypto_generichash_final(&copy, bytes, sizeof(bytes));
    sodium_bin2hex(text, sizeof(text), bytes, sizeof(bytes));
    return memcmp(text, hash, CL_AUDIT_HEAD - 1) == 0;
}

static int give_up(const struct cl_verify *verify, struct cl_err *err)
{
    return cl_fail(err, CL_E_INPUT, "%s", verify->torn.why);
}

/* ---------------------------------------------------------------------------------------- feed */

/* The line in verify->line is whole. */
static int on_whole(struct cl_verify *verify, struct cl_err *err)
{
    struct cl_err why = CL_ERR_INIT;
    struct parts parts;
    bool is_good = false;

    if (verify->is_long || !read_parts(verify->line, verify->length, &parts))
        complain(verify, "it is no line of an audit log", &why);
    else if (check_line(verify, &parts, &why) == 0)
        is_good = verify->torn.bytes == 0 || explains(verify, &parts);

    if (is_good) {
        verify->torn_places += verify->torn.bytes > 0;
        verify->torn.bytes = 0;
        take(verify, &parts);
    } else {
        if (!verify->is_long)
            suspect(verify, &why);
        hash_torn(verify);
        if (verify->torn.bytes == 0)
            return give_up(verify, err); /* an empty line is nothing's rest */
    }
    verify->length = 0;
    verify->is_long = false;
    return verify->torn.bytes > CL_VERIFY_TORN_MAX ? give_up(verify, err) : 0;
}

/* A line is longer than any of ours: the bytes so far are suspected, whatever follows. */
static void overflow(struct cl_verify *verify)
{
    struct cl_err why = CL_ERR_INIT;

    if (!verify->is_long) {
        complain(verify, "it is too long for a line of an audit log", &why);
        suspect(verify, &why);
    }
    verify->is_long = true;
    hash_torn(verify);
}

static int feed_piece(struct cl_verify *verify, const char *bytes, size_t length, bool ends,
                      struct cl_err *err)
{
    while (length > 0) {
        size_t room = sizeof(verify->line) - 1 - verify->length;
        const size_t part = length < room ? length : room;

        memcpy(verify->line + verify->length, bytes, part);
        verify->length += part;
        bytes += part;
        length -= part;
        if (length > 0)
            overflow(verify);
        if (verify->torn.bytes > CL_VERIFY_TORN_MAX)
            return give_up(verify, err);
    }
    return ends ? on_whole(verify, err) : 0;
}

int cl_verify_feed(struct cl_verify *verify, const char *bytes, size_t length,
                   struct cl_err *err)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        const size_t part = end ? (size_t)(end - bytes) : length;

        if (cl_verify_pending(verify) == 0)
            verify->line_number++;
        if (feed_piece(verify, bytes, part, end, err) < 0)
            return -1;
        bytes += part + (end != NULL);
        length -= part + (end != NULL);
    }
    return 0;
}

size_t cl_verify_pending(const struct cl_verify *verify)
{
    return verify->length + verify->is_long;
}

int cl_verify_end_file(struct cl_verify *verify, struct cl_err *err)
{
    if (verify->torn.bytes > 0)
        return give_up(verify, err);
    if (verify->length > 0)
        return cl_fail(err, CL_E_INPUT,
                       "line %" PRIu64 ": the file ends within it: it was cut off, or the "
                       "service was killed and has not been started since",
                       verify->line_number);
    verify->is_first = true;
    verify->line_number = 0;
    return 0;
}
