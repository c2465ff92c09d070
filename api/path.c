/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which relative paths are taken.
 * Runs in: cloche-api.
 * Trusts: nothing. Callers' paths are opened inside a jail, workers' paths perhaps by a client.
 */
#include "api/path.h"

#include <string.h>

static const char *component_fault(const char *part, size_t length)
{
    if (length == 0)
        return "has an empty component";
    if ((length == 1 && part[0] == '.') || (length == 2 && memcmp(part, "..", 2) == 0))
        return "must not contain . or ..";
    return length > 255 ? "has a component of more than 255 bytes" : NULL;
}

const char *cl_path_fault(const char *path, size_t length)
{
    size_t part = 0;

    if (length == 0)
        return "is empty";
    if (length > CL_PATH_MAX)
        return "is longer than 1023 bytes";
    if (path[0] == '/')
        return "must be relative";
    for (size_t at = 0; at <= length; at++) {
        if (at == length || path[at] == '/') {
            const char *fault = component_fault(path + part, at - part);

            if (fault)
                return fault;
            part = at + 1;
        } else if ((unsigned char)path[at] < 0x20 || path[at] == 0x7f || path[at] == '\\') {
            return "has a control character or a backslash";
        }
    }
    return NULL;
}
