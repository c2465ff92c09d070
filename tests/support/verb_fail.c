/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one function of the command line's main.c that its other files call, for their unit tests.
 * Runs in: unit tests.
 * Trusts: the test.
 */
#include <stdarg.h>
#include <stdio.h>

#include "api/cli/verb.h"

int cl_verb_fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}
