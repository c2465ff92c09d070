/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child that is one of Cloche's programs, with a control socket to cloched: the API, policyc, a
 * zygote. It is started with nothing but what it is given.
 */
#ifndef CL_PEER_H
#define CL_PEER_H

#include "sandbox/base/wire.h"
#include "sandbox/child.h"
#include "sandbox/loop.h"

struct cl_daemon;

enum { CL_PEER_ALL = 1024 };

enum cl_program {
    CL_PROGRAM_API,
    CL_PROGRAM_PROVER,
    CL_PROGRAM_LOADER,
    CL_PROGRAM_POLICYC,
    CL_PROGRAM_ZYGOTE,
    CL_PROGRAM_BEGIN,
    CL_PROGRAM_COUNT
};

/* Its owner fills all but `watch.fd` before it is started. */
struct cl_peer {
    struct cl_daemon *daemon;
    struct cl_child child;
    struct cl_watch watch;   /* the control socket, owned; -1 when there is none */
    enum cl_program program; /* once started */
    /* Descriptors that it does not take are closed. 1: the last one, `peer` may be freed. */
    int (*on_message)(struct cl_peer *peer, union cl_msg_any *msg, int *fds,
                      struct cl_err *err);
    /* It broke the protocol, or (`why` NULL) hung up. May free `peer`. NULL: cl_peer_end. */
    void (*on_lost)(struct cl_peer *peer, const char *why);
};

struct cl_start {
    enum cl_program program;
    const char *const *arguments; /* its name first, NULL last */
    int fd;                       /* becomes 4, beside the control socket at 3; -1: none */
    int store;                    /* becomes 5; 0: none */
    /* In the child, before it becomes the program: its failure is sent as FAILED. NULL: nothing
     * to do, and a failure is logged. */
    int (*enter)(const struct cl_peer *peer, int control, struct cl_err *err);
};

/* Opens the siblings of this executable, else those in /usr/libexec/cloche. They are started by
 * descriptor, so no path has to be traversable by the uid that runs them. */
int cl_program_open(int fds[CL_PROGRAM_COUNT], struct cl_err *err);

int cl_peer_start(struct cl_peer *peer, const struct cl_start *start, struct cl_err *err);
/* Listens to whoever is at the other end of `control`, which is taken when that works. */
int cl_peer_adopt(struct cl_peer *peer, int *control, struct cl_err *err);
/* For watch.on_event: serves what has arrived. */
void cl_peer_on_event(struct cl_watch *watch, uint32_t events);
/* At most so many messages of those that wait. CL_PEER_ALL is more than a socket holds (208 KiB,
 * 768 bytes or more for each): for who must not act before all was heard that was sent until now. */
void cl_peer_serve(struct cl_peer *peer, int most);
/* Ends it, with a line in the log if there is a reason. Its on_exit follows. */
void cl_peer_end(struct cl_peer *peer, const char *why);
void cl_peer_hang_up(struct cl_peer *peer); /* twice is harmless */

#endif
