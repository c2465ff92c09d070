/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beginnings of times, completed and then read by strptime.
 * Runs in: cloche.
 * Trusts: nothing.
 */
#include "api/cli/since.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* What was left open is taken from here: in each field, any first digit goes with a 1 behind it. */
static const char full[] = "2011-11-11T11:11:11.000";

enum { WHOLE_SECOND = sizeof("2011-11-11T11:11:11") - 1 };

static bool is_time(const char *text, size_t length)
{
    char whole[sizeof(full)];
    struct tm time;
    const char *end;

    if (length == 0 || length >= sizeof(full))
        return false;
    memcpy(whole, full, sizeof(full));
    for (size_t i = 0; i < length; i++) {
        if (isdigit((unsigned char)full[i]) ? !isdigit((unsigned char)text[i])
                                            : text[i] != full[i])
            return false;
        whole[i] = text[i];
    }
    end = strptime(whole, "%Y-%m-%dT%H:%M:%S", &time);
    return end && *end == '.';
}

int cl_since_parse(const char *text, struct cl_err *err)
{
    size_t length = strlen(text);

    if (length >= WHOLE_SECOND + 1 && text[length - 1] == 'Z')
        length--;
    if (!is_time(text, length))
        return cl_fail(err, CL_E_INPUT,
                       "--since is the beginning of 2026-01-31T12:00:00.000Z, not \"%s\"",
                       text);
    return (int)length;
}
