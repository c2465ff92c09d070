/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the end of a request head and cuts it into method, target and fields.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is a caller's.
 */
#include "api/http1/head.h"

#include <string.h>
#include <strings.h>

#include "api/http1/target.h"
#include "sandbox/base/own.h"

enum {
    REQUEST_LINE_MAX = CL_HEAD_TARGET_MAX + 32, /* method, two spaces and version besides */
    METHOD_MAX = 16,
};

struct parse {
    struct cl_http_head *head;
    struct cl_http_fault *fault;
    uint32_t seen; /* bit n: known[n] was there */
    bool has_tab;  /* behind the value of the field that is looked at */
    bool wants_close;
    bool wants_keep_alive;
};

/* The byte in lower case where a token may hold it, else 0. */
static const char token_map[256] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                   "\0!\0#$%&'\0\0*+\0-.\0"
                                   "0123456789\0\0\0\0\0\0"
                                   "\0abcdefghijklmnopqrstuvwxyz\0\0\0^_"
                                   "`abcdefghijklmnopqrstuvwxyz\0|\0~\0";

static const char *const methods[] = { "GET",    "HEAD",  "POST",   "PUT",
                                       "DELETE", "PATCH", "OPTIONS" };

int cl_head_refuse(struct cl_http_fault *fault, int status, const char *detail)
{
    *fault = (struct cl_http_fault){ status, detail };
    return -1;
}

static char token_byte(char byte)
{
    return token_map[(unsigned char)byte];
}

static bool is_value_byte(char byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t';
}

bool cl_head_is_token(const char *text)
{
    size_t length = 0;

    while (token_byte(text[length]))
        length++;
    return length > 0 && !text[length];
}

bool cl_head_is_value(const char *text)
{
    while (is_value_byte(*text))
        text++;
    return !*text;
}

/* ------------------------------------------------------------------------- finding the end */

static int check_unfinished(const struct cl_head_scan *scan, size_t length,
                            const struct cl_head_caps *caps, struct cl_http_fault *fault)
{
    if (scan->line == 0 && length > REQUEST_LINE_MAX)
        return cl_head_refuse(fault, 414, "the request line is too long");
    if (length >= caps->bytes)
        return cl_head_refuse(fault, 431, "the head is too large");
    return 0;
}

ssize_t cl_head_scan(struct cl_head_scan *scan, const char *bytes, size_t length,
                     const struct cl_head_caps *caps, struct cl_http_fault *fault)
{
    if (length > 0 && !token_byte(bytes[0]))
        return cl_head_refuse(fault, 400, "a request starts with a method");

    while (scan->seen < length) {
        const char *feed = memchr(bytes + scan->seen, '\n', length - scan->seen);
        if (!feed) {
            scan->seen = length;
            break;
        }
        size_t at = (size_t)(feed - bytes);
        scan->seen = at + 1;
        if (at == scan->line || bytes[at - 1] != '\r')
            return cl_head_refuse(fault, 400, "lines end with CR LF");
        if (scan->line == 0 && at > REQUEST_LINE_MAX)
            return cl_head_refuse(fault, 414, "the request line is too long");
        if (at + 1 > caps->bytes)
            return cl_head_refuse(fault, 431, "the head is too large");
        if (at - 1 == scan->line)
            return (ssize_t)(at + 1);
        scan->line = at + 1;
    }
    return check_unfinished(scan, length, caps, fault);
}

/* ---------------------------------------------------------------------------- known fields */

static int take_host(struct parse *parse, const char *value)
{
    return cl_target_check_host(value, parse->fault);
}

static int take_length(struct parse *parse, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    uint64_t length = 0;

    /* Behind the digits other readers take spaces, and not all of them tabs. */
    if (digits == 0 || value[digits] || parse->has_tab)
        return cl_head_refuse(parse->fault, 400, "Content-Length is one decimal number");
    if (digits > CL_HEAD_LENGTH_DIGITS)
        return cl_head_refuse(parse->fault, 413, "Content-Length is too large");
    for (size_t i = 0; i < digits; i++)
        length = length * 10 + (uint64_t)(value[i] - '0');
    parse->head->content_length = length;
    parse->head->has_body = true;
    return 0;
}

static int take_coding(struct parse *parse, const char *value)
{
    if (parse->head->is_http10)
        return cl_head_refuse(parse->fault, 400, "HTTP/1.0 knows no Transfer-Encoding");
    if (strcasecmp(value, "chunked") != 0)
        return cl_head_refuse(parse->fault, 501, "the only Transfer-Encoding is chunked");
    parse->head->is_chunked = true;
    parse->head->has_body = true;
    return 0;
}

static int take_expect(struct parse *parse, const char *value)
{
    if (strcasecmp(value, "100-continue") != 0)
        return cl_head_refuse(parse->fault, 417, "the only expectation is 100-continue");
    parse->head->expects_continue = !parse->head->is_http10;
    return 0;
}

static bool is_same(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* A list of tokens. Options besides these two speak of fields that mean nothing here. */
static int take_connection(struct parse *parse, const char *value)
{
    while (*value) {
        value += strspn(value, ", \t");
        size_t length = strcspn(value, ", \t");
        if (is_same(value, length, "close"))
            parse->wants_close = true;
        if (is_same(value, length, "keep-alive"))
            parse->wants_keep_alive = true;
        value += length;
    }
    return 0;
}

static int refuse_upgrade(struct parse *parse, const char *value)
{
    (void)value;
    return cl_head_refuse(parse->fault, 501, "there is no protocol to upgrade to");
}

static int refuse_encoding(struct parse *parse, const char *value)
{
    (void)value;
    return cl_head_refuse(parse->fault, 415, "a body may not have a Content-Encoding");
}

/* Fields that mean something to this layer, and fields that may come once only because two
 * readers could take different ones. */
static const struct {
    const char *name;
    int (*take)(struct parse *parse, const char *value);
    bool may_repeat;
} known[] = {
    { "host", take_host, false },
    { "content-length", take_length, false },
    { "transfer-encoding", take_coding, false },
    { "connection", take_connection, true },
    { "expect", take_expect, false },
    { "upgrade", refuse_upgrade, false },
    { "content-encoding", refuse_encoding, false },
    { "authorization", NULL, false },
    { "content-type", NULL, false },
    { "accept", NULL, false },
    { "idempotency-key", NULL, false },
    { "prefer", NULL, false },
    { "last-event-id", NULL, false },
    { "cloche-session", NULL, false },
    { "cloche-policy", NULL, false },
    { "if-match", NULL, false },
    { "if-none-match", NULL, false },
};

enum { HOST = 0, CONTENT_LENGTH = 1, TRANSFER_ENCODING = 2 };

static int take_field(struct parse *parse, const struct cl_http_field *field)
{
    for (size_t i = 0; i < CL_COUNT(known); i++) {
        if (strcmp(known[i].name, field->name) != 0)
            continue;
        if ((parse->seen & (1u << i)) && !known[i].may_repeat)
            return cl_head_refuse(parse->fault, 400, "a field that may come once came twice");
        parse->seen |= 1u << i;
        return known[i].take ? known[i].take(parse, field->value) : 0;
    }
    return 0;
}

/* ----------------------------------------------------------------------------------- lines */

static const char folded[] = "folded fields are not accepted";

/* One field line [line, end), without its CR LF; *end is writable. */
static int parse_field(struct parse *parse, char *line, char *end, struct cl_http_field *field)
{
    char *at = line;

    if (*line == ' ' || *line == '\t')
        return cl_head_refuse(parse->fault, 400, folded);
    for (; at < end && token_byte(*at); at++)
        *at = token_byte(*at);
    if (at == line || at == end || *at != ':')
        return cl_head_refuse(parse->fault, 400, "a field is a token, a colon and a value");
    *at++ = '\0';

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    for (parse->has_tab = false; end > at && (end[-1] == ' ' || end[-1] == '\t'); end--)
        parse->has_tab = parse->has_tab || end[-1] == '\t';
    for (const char *byte = at; byte < end; byte++) {
        if (!is_value_byte(*byte))
            return cl_head_refuse(parse->fault, 400, "a field value holds a forbidden byte");
    }
    *end = '\0';
    *field = (struct cl_http_field){ line, at };
    return 0;
}

static int parse_version(const char *text, size_t length, struct parse *parse)
{
    bool is_version = length == 8 && memcmp(text, "HTTP/", 5) == 0 && text[5] >= '0' &&
                      text[5] <= '9' && text[6] == '.' && text[7] >= '0' && text[7] <= '9';

    if (!is_version)
        return cl_head_refuse(parse->fault, 400,
                              "a request line is a method, a target and HTTP/1.1");
    if (memcmp(text, "HTTP/1.", 7) != 0 || text[7] > '1')
        return cl_head_refuse(parse->fault, 505,
                              "only the versions 1.1 and 1.0 are spoken here");
    parse->head->is_http10 = text[7] == '0';
    return 0;
}

static int parse_method(char *text, size_t length, struct parse *parse)
{
    text[length] = '\0';
    if (!cl_head_is_token(text) || strlen(text) != length)
        return cl_head_refuse(parse->fault, 400, "the method is not a token");
    for (size_t i = 0; i < CL_COUNT(methods); i++) {
        if (strcmp(methods[i], text) == 0) {
            parse->head->method = methods[i];
            return 0;
        }
    }
    return cl_head_refuse(parse->fault, 501, "this method is not known");
}

/* [line, end): the three parts with exactly one space between them. */
static int parse_request_line(struct parse *parse, char *line, char *end)
{
    char *target = memchr(line, ' ', (size_t)(end - line));
    char *version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;

    if (!version)
        return cl_head_refuse(parse->fault, 400,
                              "a request line is a method, a target and HTTP/1.1");
    if (parse_version(version + 1, (size_t)(end - version - 1), parse) < 0 ||
        parse_method(line, (size_t)(target - line), parse) < 0)
        return -1;
    return cl_target_parse(target + 1, (size_t)(version - target - 1), parse->head,
                           parse->fault);
}

/* Without framing there is no body, but the client may have sent one all the same: it must not be
 * taken for the next request. */
static bool may_mean_a_body(const char *method)
{
    return method[0] == 'P'; /* POST, PUT, PATCH */
}

/* What only the whole head can tell. */
static int conclude(struct parse *parse)
{
    struct cl_http_head *head = parse->head;

    if (!(parse->seen & (1u << HOST)) && !head->is_http10)
        return cl_head_refuse(parse->fault, 400, "the Host is missing");
    if ((parse->seen & (1u << CONTENT_LENGTH)) && (parse->seen & (1u << TRANSFER_ENCODING)))
        return cl_head_refuse(parse->fault, 400,
                              "Content-Length and Transfer-Encoding exclude each other");
    head->keep_alive = !parse->wants_close && (!head->is_http10 || parse->wants_keep_alive) &&
                       (head->has_body || !may_mean_a_body(head->method));
    return 0;
}

/* The CR LF that ends the line which starts at `line`; NULL when there is none. */
static char *line_end(char *line, const char *end)
{
    char *at = memchr(line, '\r', (size_t)(end - line));

    return at && at + 1 < end && at[1] == '\n' ? at : NULL;
}

static int parse_lines(struct parse *parse, char *text, const char *end,
                       const struct cl_head_caps *caps, struct cl_http_field *fields)
{
    char *line = text;

    for (;;) {
        char *stop = line_end(line, end);
        if (!stop)
            return cl_head_refuse(parse->fault, 400, "lines end with CR LF");
        if (stop == line)
            return line + 2 == end ? 0 : cl_head_refuse(parse->fault, 400, "an early end");
        if (line == text) {
            if (parse_request_line(parse, line, stop) < 0)
                return -1;
        } else {
            struct cl_http_field *field = &fields[parse->head->field_count];
            if (parse->head->field_count >= caps->fields)
                return cl_head_refuse(parse->fault, 431, "there are too many fields");
            if (stop + 2 < end && (stop[2] == ' ' || stop[2] == '\t'))
                return cl_head_refuse(parse->fault, 400, folded);
            if (parse_field(parse, line, stop, field) < 0 || take_field(parse, field) < 0)
                return -1;
            parse->head->field_count++;
        }
        line = stop + 2;
    }
}

int cl_head_parse(char *text, size_t length, const struct cl_head_caps *caps,
                  struct cl_http_head *head, struct cl_http_field *fields,
                  struct cl_http_fault *fault)
{
    struct parse parse = { .head = head, .fault = fault };

    *head = (struct cl_http_head){ .fields = fields };
    if (length > 0 && !token_byte(text[0]))
        return cl_head_refuse(fault, 400, "a request starts with a method");
    if (parse_lines(&parse, text, text + length, caps, fields) < 0)
        return -1;
    return conclude(&parse);
}

const char *cl_head_field(const struct cl_http_head *head, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < head->field_count; i++) {
        if (strcmp(head->fields[i].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = head->fields[i].value;
    }
    return value;
}
