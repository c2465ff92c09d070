/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places and bytes of a text, whose columns count characters.
 * Runs in: cloche-policyc.
 * Trusts: that the text is UTF-8 and ends with a NUL, which load.c has seen to.
 */
#include "policies/place.h"

#include <stddef.h>

#include "policies/node.h"

void cl_place_next(const char **at, struct cl_place *place)
{
    if (**at == '\n') {
        place->line++;
        place->column = 0;
    }
    for ((*at)++; ((unsigned char)**at & 0xc0) == 0x80; (*at)++)
        ;
    place->column++;
}

const char *cl_place_source(const struct cl_place *place)
{
    size_t length = 0;
    const char *at = cl_doc_line(place->doc, place->line, &length);

    for (unsigned column = 1; at && *at && column < place->column; column++) {
        for (at++; ((unsigned char)*at & 0xc0) == 0x80; at++)
            ;
    }
    return at;
}
