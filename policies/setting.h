/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled cloche.yaml: its keys and values as text, one flat file of a fixed size in a sealed
 * memfd, written by cloche-policyc. What is not used is zero.
 */
#ifndef CL_SETTING_H
#define CL_SETTING_H

#include <stdint.h>

enum {
    CL_SETTINGS_MAGIC = 0x534c4301,
    CL_SETTINGS_VERSION = 1,
    CL_SETTINGS_MAX = 16,
    CL_SETTINGS_KEY_MAX = 64,
    CL_SETTINGS_TEXT_MAX = 1024,
};

struct cl_setting {
    char key[CL_SETTINGS_KEY_MAX]; /* "tls.key", as in the file */
    char text[CL_SETTINGS_TEXT_MAX];
};

struct cl_settings_file {
    uint32_t magic;
    uint32_t version;
    uint32_t size; /* of the whole file */
    uint32_t count;
    struct cl_setting settings[CL_SETTINGS_MAX];
};

#endif
