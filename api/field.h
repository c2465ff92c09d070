/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of header fields as RFC 9110 writes them: lists with weights, and a media type's parameters. Pure.
 */
#ifndef CL_API_FIELD_H
#define CL_API_FIELD_H

#include <stdbool.h>

enum { CL_FIELD_WEIGHT_MAX = 1000 };

/* What a comma-separated field says of a token or media type: 0 when it is not listed or refused (q=0), otherwise its
 * weight in thousandths. The first one of the name counts. NULL is the empty field. */
int cl_field_weight(const char *field, const char *token);

/* Whether what follows a media type are well-formed parameters, and none of them says another charset than UTF-8. */
bool cl_field_is_utf8(const char *parameters);

#endif
