/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the framing off a request body, byte by byte if need be.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is a caller's.
 */
#include "api/http1/body.h"

enum state {
    LENGTH,     /* content up to `left`, then DONE */
    SIZE,       /* hexadecimal digits */
    SIZE_FEED,  /* LF behind the size */
    CHUNK,      /* content up to `left` */
    CHUNK_CR,   /* CR behind it */
    CHUNK_FEED, /* LF behind it */
    LAST_CR,    /* CR LF behind the last chunk: no trailers */
    LAST_FEED,
    DONE,
};

void cl_body_init_length(struct cl_body *body, uint64_t length)
{
    *body = (struct cl_body){
        .state = length > 0 ? LENGTH : DONE, .left = length, .total = length, .most = length
    };
}

void cl_body_init_chunked(struct cl_body *body, uint64_t most)
{
    *body = (struct cl_body){ .state = SIZE, .most = most };
}

bool cl_body_is_complete(const struct cl_body *body)
{
    return body->state == DONE;
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

static int take_size_byte(struct cl_body *body, char byte, struct cl_http_fault *fault)
{
    int value = hex_value(byte);

    if (value >= 0) {
        if (body->digits == CL_BODY_SIZE_DIGITS)
            return cl_head_refuse(fault, 400, "a chunk size has too many digits");
        body->digits++;
        body->left = body->left * 16 + (uint64_t)value;
        return 0;
    }
    if (body->digits == 0 || byte != '\r')
        return cl_head_refuse(fault, 400,
                              "a chunk size is hexadecimal digits and nothing else");
    if (body->left > body->most - body->total)
        return cl_head_refuse(fault, 413, "the body is larger than this resource takes");
    body->total += body->left;
    body->state = SIZE_FEED;
    return 0;
}

/* States whose only legal byte is the one given, and what follows. */
static const struct {
    char byte;
    int next;
} fixed[] = {
    [SIZE_FEED] = { '\n', CHUNK }, [CHUNK_CR] = { '\r', CHUNK_FEED },
    [CHUNK_FEED] = { '\n', SIZE }, [LAST_CR] = { '\r', LAST_FEED },
    [LAST_FEED] = { '\n', DONE },
};

static int take_framing_byte(struct cl_body *body, char byte, struct cl_http_fault *fault)
{
    if (body->state == SIZE)
        return take_size_byte(body, byte, fault);
    if (body->state == LAST_CR && byte != '\r')
        return cl_head_refuse(fault, 400, "trailers are not accepted");
    if (byte != fixed[body->state].byte)
        return cl_head_refuse(fault, 400, "the chunked framing is broken");

    body->state = fixed[body->state].next;
    if (body->state == SIZE) {
        body->digits = 0;
        body->left = 0;
    }
    if (body->state == CHUNK && body->left == 0)
        body->state = LAST_CR;
    return 0;
}

static size_t take_content(struct cl_body *body, size_t length)
{
    size_t taken = length < body->left ? length : (size_t)body->left;

    body->left -= taken;
    if (body->left == 0)
        body->state = body->state == LENGTH ? DONE : CHUNK_CR;
    return taken;
}

ssize_t cl_body_next(struct cl_body *body, const char *bytes, size_t length,
                     const char **content, size_t *content_length, struct cl_http_fault *fault)
{
    size_t at = 0;

    *content = bytes;
    *content_length = 0;
    while (at < length && body->state != DONE) {
        if (body->state == LENGTH || body->state == CHUNK) {
            *content = bytes + at;
            *content_length = take_content(body, length - at);
            return (ssize_t)(at + *content_length);
        }
        if (take_framing_byte(body, bytes[at], fault) < 0)
            return -1;
        at++;
    }
    return (ssize_t)at;
}
