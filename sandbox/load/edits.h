/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears of edits: files of a directory's `policies` that were made, written, moved, given away or
 * deleted, and `policies` or the directory itself put in the place of another one. Tells once for
 * a burst. Where inotify cannot look, only SIGHUP is left.
 */
#ifndef CL_EDITS_H
#define CL_EDITS_H

#include <limits.h>

#include "sandbox/loop.h"

enum { CL_EDITS_PLACES = 3 };

struct cl_edits {
    struct cl_loop *loop;
    struct cl_watch watch; /* of inotify, owned; -1 when nothing is watched */
    struct cl_timer quiet; /* fires when a burst is over */
    uint64_t until_us;     /* when it is over at the latest */
    char paths[CL_EDITS_PLACES][PATH_MAX];
    int places[CL_EDITS_PLACES];             /* inotify's name of each; -1: not there now */
    const char *name;                        /* of the directory, in the one above; borrowed */
    bool is_edited;                          /* in this burst, and not only another place */
    void (*on_edit)(struct cl_edits *edits); /* a burst is over */
    /* Something happened in a place of cl_edits_watch: whether anybody cares. May be NULL. */
    bool (*on_other)(struct cl_edits *edits, int place);
};

/* `path` is absolute, and borrowed as long as it is watched. */
int cl_edits_open(struct cl_edits *edits, struct cl_loop *loop, const char *path,
                  void (*on_edit)(struct cl_edits *edits), struct cl_err *err);
/* One more directory, in the place of `old` (-1: none): what its events are told by, -1: it can't be
 * watched. */
int cl_edits_watch(struct cl_edits *edits, const char *path, int old);
void cl_edits_leave(struct cl_edits *edits, int place); /* -1: nothing to leave */

#endif
