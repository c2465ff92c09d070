/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of a policy: what is a name, a size, a time; and which known word was probably meant.
 * All pure.
 */
#ifndef CL_POLICIES_TEXT_H
#define CL_POLICIES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of an item in a signed list. */
#define CL_TEXT_WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

/* How many bytes from the start are strict UTF-8 without control characters. Tab, \n, and \r in
 * front of \n pass; C1 controls, line and paragraph separators and the byte order mark do not. */
size_t cl_text_check(const char *text, size_t length);

bool cl_text_is_identifier(const char *text);  /* Python's, ASCII only */
bool cl_text_is_module(const char *text);      /* identifiers with dots between */
bool cl_text_is_policy_name(const char *text); /* [a-z0-9][a-z0-9_-]{0,62} */

/* 0, or -1 when the text is none, has a fraction that does not come out even, or is too big. */
int cl_text_parse_count(const char *text, uint64_t *value); /* digits */
int cl_text_parse_bytes(const char *text, uint64_t *value); /* 64Mi 1.5Gi 2M 1000 */
int cl_text_parse_time(const char *text, uint64_t *value);  /* 5s 250ms 1.5m 2h, in ms */
int cl_text_parse_milli(const char *text, uint64_t *value); /* 1.25, in thousandths */

/* The shortest way to write a value that parses back to it. */
void cl_text_format_bytes(uint64_t value, char *text, size_t size);
void cl_text_format_time(uint64_t value, char *text, size_t size);
void cl_text_format_milli(uint64_t value, char *text, size_t size);

/* Collects the nearest of many words; start with CL_TEXT_NEAREST_INIT. */
struct cl_text_nearest {
    const char *wanted; /* borrowed */
    const char *word;   /* the best so far, NULL when nothing is near enough */
    unsigned distance;
};

#define CL_TEXT_NEAREST_INIT(text)                                                             \
    {                                                                                          \
        (text), NULL, ~0u                                                                      \
    }

void cl_text_nearest_try(struct cl_text_nearest *nearest, const char *word);

#endif
