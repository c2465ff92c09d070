/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cloched is at its start: the process made plain, its directory, lock, token and socket.
 * Everything here runs once, before the event loop, and may block.
 */
#ifndef CL_STATE_H
#define CL_STATE_H

#include <stdint.h>
#include <sys/types.h>

#include "sandbox/base/err.h"

enum { CL_STATE_INSTANCE_SIZE = 9 };

struct cl_state {
    int dir;
    int lock;                              /* held: one cloched per state directory */
    int listener;                          /* outlives every API */
    int range;                             /* the lock of cl_idmap_claim */
    int store;                             /* what the API keeps, a directory of its own */
    char instance[CL_STATE_INSTANCE_SIZE]; /* names cgroups; a hash of the directory's path */
};

/* Descriptors, signals, environment, limits: whatever started cloched leaves nothing behind. */
int cl_state_process(struct cl_err *err);
/* Makes and locks the directory. */
int cl_state_open(struct cl_state *state, const char *path, struct cl_err *err);
/* Makes the directory "store" and all in it the API's, whose uid may be another one than last
 * time. Nobody else may be able to touch it yet. */
int cl_state_store(struct cl_state *state, uid_t uid, struct cl_err *err);
/* Takes the socket that cloche-begin made. */
int cl_state_listen(struct cl_state *state, struct cl_err *err);
/* Cuts capabilities to what cloched is bounded to, for good. SETPCAP stays permitted, never
 * effective, for children to empty their bounding sets. */
int cl_state_confine(struct cl_err *err);
/* One datagram to the service manager, if there is one ($NOTIFY_SOCKET at start). */
void cl_state_notify(const char *text);

#endif
