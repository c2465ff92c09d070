/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policyc made of cloche.yaml, checked; and the files that its `tls` names, which go to the API
 * without anybody reading them on the way.
 */
#ifndef CL_LOAD_SETTINGS_H
#define CL_LOAD_SETTINGS_H

#include "policies/setting.h"
#include "sandbox/base/wire.h"
#include "sandbox/load/edits.h"

/* NULL with *err filled unless it is whole: every text terminated, printable and in one line. */
const struct cl_settings_file *cl_settings_open(int fd, struct cl_err *err);
void cl_settings_close(const struct cl_settings_file *settings);
/* The value of a key, "" when it is not there. `settings` may be NULL: nothing is. */
const char *cl_settings_text(const struct cl_settings_file *settings, const char *key);
bool cl_settings_has_tls(const struct cl_settings_file *settings);
/* Warns of each key that differs and waits for a restart. */
void cl_settings_compare(const struct cl_settings_file *begun,
                         const struct cl_settings_file *now);

/* Certificate, key, authorities: as the message says, in one sealed file. */
struct cl_pair {
    int fd; /* -1: there is none */
    struct cl_msg_tls sizes;
    int places[3]; /* inotify's names of the directories */
};

#define CL_PAIR_INIT                                                                           \
    {                                                                                          \
        .fd = -1, .places = { -1, -1, -1 },                                                    \
    }

/* Opens, checks whose they are, and copies. CL_E_DENIED, CL_E_LIMIT or CL_E_SYS, naming the key. */
int cl_pair_load(struct cl_pair *pair, const struct cl_settings_file *settings,
                 struct cl_edits *edits, struct cl_err *err);
void cl_pair_fini(struct cl_pair *pair);
bool cl_pair_is_at(const struct cl_pair *pair, int place);

#endif
