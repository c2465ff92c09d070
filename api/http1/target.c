/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks and decodes the request target; checks the Host.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is a caller's.
 */
#include "api/http1/target.h"

#include <string.h>

enum byte_class {
    IS_PATH = 1,  /* pchar of RFC 3986 and '/' */
    IS_QUERY = 2, /* the same and '?' */
    IS_HOST = 4,
    IS_IPV6 = 8,
};

static unsigned class_of(unsigned char byte)
{
    bool is_digit = byte >= '0' && byte <= '9';
    bool is_hex_letter = (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    unsigned class = 0;

    if (is_digit || is_letter || (byte && strchr("-._~!$&'()*+,;=:@/%", byte)))
        class |= IS_PATH | IS_QUERY;
    if (byte == '?')
        class |= IS_QUERY;
    if (is_digit || is_letter || (byte && strchr("-._", byte)))
        class |= IS_HOST;
    if (is_digit || is_hex_letter || byte == ':' || byte == '.')
        class |= IS_IPV6;
    return class;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* The byte of an escape at `at` ("%41"), -1 when it is not one. */
static int escape_value(const char *at, const char *end)
{
    if (end - at < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0)
        return -1;
    return hex_value(at[1]) * 16 + hex_value(at[2]);
}

/* What a decoded byte of a path may not be: two readers could see two paths. */
static bool may_decode_to(int byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '/' && byte != '\\';
}

/* Decodes [from, end) to its own start; returns the new end or NULL. */
static char *decode_path(char *from, char *end, struct cl_http_fault *fault)
{
    char *to = from;

    for (char *at = from; at < end; at++, to++) {
        *to = *at;
        if (*at != '%')
            continue;
        int byte = escape_value(at, end);
        if (byte < 0 || !may_decode_to(byte)) {
            cl_head_refuse(fault, 400,
                           byte < 0 ? "the path holds an invalid escape"
                                    : "the path holds an escape that may not be used in paths");
            return NULL;
        }
        *to = (char)byte;
        at += 2;
    }
    return to;
}

/* No "//", no "." and no ".." segment; one '/' at the end is left to the routes. */
static int check_segments(const char *path, struct cl_http_fault *fault)
{
    for (const char *at = path; at; at = strchr(at + 1, '/')) {
        const char *segment = at + 1;
        size_t length = strcspn(segment, "/");

        if (length == 0 && segment[0] == '/')
            return cl_head_refuse(fault, 400, "the path holds an empty segment");
        if ((length == 1 && segment[0] == '.') ||
            (length == 2 && segment[0] == '.' && segment[1] == '.'))
            return cl_head_refuse(fault, 400, "the path holds a dot segment");
    }
    return 0;
}

static int check_bytes(const char *at, const char *end, unsigned class,
                       struct cl_http_fault *fault)
{
    for (; at < end; at++) {
        if (!(class_of((unsigned char)*at) & class))
            return cl_head_refuse(fault, 400, "the target holds a byte that must be escaped");
        if (*at == '%' && escape_value(at, end) < 0)
            return cl_head_refuse(fault, 400, "the target holds an invalid escape");
    }
    return 0;
}

int cl_target_parse(char *target, size_t length, struct cl_http_head *head,
                    struct cl_http_fault *fault)
{
    char *end = target + length;
    char *mark = memchr(target, '?', length);
    char *path_end = mark ? mark : end;

    if (length > CL_HEAD_TARGET_MAX)
        return cl_head_refuse(fault, 414, "the target is longer than 8 KiB");
    if (length == 0 || target[0] != '/')
        return cl_head_refuse(fault, 400, "the target must start with '/'");
    if (check_bytes(target, path_end, IS_PATH, fault) < 0)
        return -1;
    if (mark && check_bytes(mark + 1, end, IS_QUERY, fault) < 0)
        return -1;

    *end = '\0';
    head->query = mark ? mark + 1 : end;
    path_end = decode_path(target, path_end, fault);
    if (!path_end)
        return -1;
    *path_end = '\0';
    head->path = target;
    return check_segments(target, fault);
}

static size_t span_of(const char *text, unsigned class)
{
    size_t length = 0;

    while (class_of((unsigned char)text[length]) & class)
        length++;
    return length;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long port = 0;

    if (digits == 0 || digits > 5 || text[digits])
        return false;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (unsigned long)(text[i] - '0');
    return port <= 65535;
}

int cl_target_check_host(const char *host, struct cl_http_fault *fault)
{
    bool is_bracketed = host[0] == '[';
    const char *name = host + is_bracketed;
    size_t length = span_of(name, is_bracketed ? IS_IPV6 : IS_HOST);
    const char *rest = name + length;

    if (length == 0 || length > 255 || (is_bracketed && *rest != ']'))
        return cl_head_refuse(fault, 400, "the Host is not a host name or an address");
    if (is_bracketed)
        rest++;
    if (*rest && (*rest != ':' || !is_port(rest + 1)))
        return cl_head_refuse(fault, 400, "the Host is not a host name or an address");
    return 0;
}
