/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes shapes.json into the program as it is.
 * Runs in: cloche-api.
 * Trusts: the build; a test reads it.
 */
#include "api/openapi/shapes.h"

__asm__(".pushsection .rodata\n"
        ".globl cl_openapi_shapes\n"
        ".hidden cl_openapi_shapes\n"
        "cl_openapi_shapes:\n"
        ".incbin \"api/openapi/shapes.json\"\n"
        ".byte 0\n"
        ".popsection\n");
