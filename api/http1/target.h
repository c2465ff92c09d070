/* SPDX-License-Identifier: Apache-2.0 */
/* The request target and the Host: the two places where a request says whom it is for. Pure. */
#ifndef CL_HTTP1_TARGET_H
#define CL_HTTP1_TARGET_H

#include "api/http1/head.h"

/* Splits and decodes an origin-form target of `length` bytes in place: head->path is decoded
 * once, head->query stays raw. The byte behind the target must be writable. */
int cl_target_parse(char *target, size_t length, struct cl_http_head *head,
                    struct cl_http_fault *fault);

/* host [":" port], as a name, an IPv4 address or an IPv6 address in brackets. */
int cl_target_check_host(const char *host, struct cl_http_fault *fault);

#endif
