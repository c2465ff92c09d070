/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API as cloched sees it: a process that is started again when it dies, and a control socket
 * that never blocks cloched: what does not fit waits in a bounded queue, an API that lets it fill
 * is ended.
 */
#ifndef CL_FRONT_H
#define CL_FRONT_H

#include "sandbox/peer.h"

struct cl_front {
    struct cl_peer peer; /* watch.fd -1 while there is no API */
    struct cl_retry restart;
    struct cl_list queue;
    uint32_t queued;
    bool is_greeted; /* HELLO came: it may be told */
    struct cl_msg_counts counts;
};

void cl_front_init(struct cl_front *front, struct cl_daemon *daemon);
int cl_front_start(struct cl_front *front, struct cl_err *err);
/* Sends or queues; fd (-1: none) is taken. Harmless while there is no API to tell. */
void cl_front_send(struct cl_front *front, enum cl_msg_type type, const void *msg, int *fd);
/* One more, of which the API is told. */
void cl_front_count(struct cl_front *front, enum cl_count what);
/* Tells tenants and policies of the generation in force. */
void cl_front_tell(struct cl_front *front);

/* One checked message of the API, in monitor.c: what it may ask, and when. -1: the violation in
 * words, and the end of that API. */
int cl_monitor_on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds,
                          struct cl_err *err);

#endif
