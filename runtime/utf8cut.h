/* SPDX-License-Identifier: Apache-2.0 */
/* Where to cut a UTF-8 text. */
#ifndef CL_RUNTIME_UTF8CUT_H
#define CL_RUNTIME_UTF8CUT_H

#include <stddef.h>

/* The longest prefix of at most `most` bytes that does not end inside a sequence. Text that is
 * not UTF-8 is cut anywhere. */
static inline size_t cl_utf8_cut(const char *text, size_t length, size_t most)
{
    if (length <= most)
        return length;
    for (size_t back = 0; back < 4 && back < most; back++) {
        if (((unsigned char)text[most - back] & 0xc0) != 0x80)
            return most - back;
    }
    return most;
}

#endif
