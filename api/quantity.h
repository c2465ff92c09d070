/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and times as callers write them: Kubernetes quantities ("64Mi", "1G", "500k", "4096")
 * and times with one unit ("250ms", "1.5s", "2m", "1h"). Pure.
 */
#ifndef CL_API_QUANTITY_H
#define CL_API_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

/* CL_E_INPUT with what is allowed, when it is not a whole number of bytes below 2^63. */
int cl_quantity_bytes(const char *text, size_t length, uint64_t *bytes, struct cl_err *err);

/* CL_E_INPUT when it is not a whole number of milliseconds below 2^63. */
int cl_quantity_ms(const char *text, size_t length, uint64_t *ms, struct cl_err *err);

#endif
