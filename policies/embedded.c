/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the shipped policies into the program as they are, comments included.
 * Runs in: cloche-policyc.
 * Trusts: the build; they are parsed and checked like any other file.
 */
#include "policies/embedded.h"

#include <stddef.h>
#include <string.h>

#define EMBED(name)                                                                            \
    __asm__(".pushsection .rodata\n"                                                           \
            "policy_" #name ":\n"                                                              \
            ".incbin \"policies/" #name ".yaml\"\n"                                            \
            "policy_" #name "_end:\n"                                                          \
            ".byte 0\n"                                                                        \
            ".popsection\n");                                                                  \
    extern const char policy_##name[], policy_##name##_end[]

EMBED(default);
EMBED(strict);

const struct cl_embedded cl_embedded[] = {
    { "default", policy_default, policy_default_end },
    { "strict", policy_strict, policy_strict_end },
    { NULL, NULL, NULL },
};

const struct cl_embedded *cl_embedded_find(const char *name)
{
    for (const struct cl_embedded *row = cl_embedded; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}
