/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and showing JSON for people, on top of the service's own checker: numbers and strings
 * are views into the text that came, never converted, so 10**30 and 0.1 stay what they were.
 */
#ifndef CL_CLI_JSON_H
#define CL_CLI_JSON_H

#include <stdio.h>

#include "api/json/scan.h"

/* Checks a whole answer; `root` is an object. */
int cl_json_root(const struct cl_buf *body, struct cl_json *root, struct cl_err *err);

/* The value of a key; kind CL_JSON_NONE when the key, or the object, is not there. */
struct cl_json cl_json_member(struct cl_json object, const char *key);

/* Appends a string without its quotes, or any other value as it is. Nothing for no value. */
void cl_json_plain(struct cl_json value, struct cl_buf *out);
bool cl_json_has_text(struct cl_json value, const char *text);
/* A whole number; 0 when it is none. */
uint64_t cl_json_number(struct cl_json value);

/* Writes a value, indented, short arrays and objects on one line. */
int cl_json_pretty(struct cl_json value, struct cl_buf *out, struct cl_err *err);

/* Text that untrusted code wrote: as it is, but on a terminal control bytes are shown as \xNN
 * (line feed, tab and carriage return before a line feed aside). */
void cl_json_show(const char *text, size_t length, FILE *to);

#endif
