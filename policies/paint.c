/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses between colours and none.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the admin's environment.
 */
#include "policies/paint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cl_paint plain = { "", "", "", "", "", "", "" };

static const struct cl_paint coloured = {
    .place = "\033[1m",
    .error = "\033[1;31m",
    .warning = "\033[1;35m",
    .caret = "\033[1;32m",
    .opened = "\033[31m",
    .closed = "\033[32m",
    .off = "\033[0m",
};

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

const struct cl_paint *cl_paint_of(FILE *out)
{
    const char *terminal = getenv("TERM");
    bool is_dumb = !terminal || strcmp(terminal, "dumb") == 0;

    return is_set("NO_COLOR") || is_dumb || !isatty(fileno(out)) ? &plain : &coloured;
}
