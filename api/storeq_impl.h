/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of the store queue share: storeq.c on the event loop, storethread.c. */
#ifndef CL_API_STOREQ_IMPL_H
#define CL_API_STOREQ_IMPL_H

#include <pthread.h>

#include "api/storeq.h"
#include "sandbox/base/list.h"

struct cl_storeq_item {
    struct cl_list node;
    cl_storeq_work *run;
    cl_storeq_done *done;
    void *arg;
    size_t bytes;
    bool is_read;
    struct cl_err err; /* the thread's until it is in `done` */
};

struct cl_storeq {
    /* of the event loop */
    struct cl_storeq_caps caps;
    struct event *event;
    pthread_t thread;
    uint32_t waiting;
    uint64_t waiting_bytes;
    struct cl_list readers; /* those who wait to read, in turn: storereads.c */
    uint32_t reading;       /* reads that the thread has */
    bool is_closing;
    int fd; /* eventfd: the thread adds, the loop reads */

    /* of the thread, once it is up */
    struct cl_store *store;
    uint64_t tidy_us; /* when next */

    /* of both, under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake, up;
    struct cl_list works; /* the oldest first */
    struct cl_list done;  /* in their order */
    struct cl_storeq_health health;
    uint64_t proved_us; /* when `health` was last found out */
    bool is_probe_wanted;
    bool is_up;
    bool is_ending;
};

/* Moves all of `from` to the empty list `to`. */
static inline void cl_storeq_move(struct cl_list *to, struct cl_list *from)
{
    cl_list_each (node, keep, from) {
        cl_list_unlink(node);
        cl_list_append(to, node);
    }
}

void *cl_storeq_thread(void *arg);

/* storeq.c: an item that is counted; NULL: too many wait. To the thread with it. */
struct cl_storeq_item *cl_storeq_item(struct cl_storeq *queue, cl_storeq_work *run,
                                      cl_storeq_done *done, void *arg, size_t bytes,
                                      struct cl_err *err);
void cl_storeq_push(struct cl_storeq *queue, struct cl_storeq_item *item);

/* storereads.c: gives the thread what it may have of those that wait; `all` at the end. */
void cl_storeq_feed(struct cl_storeq *queue, bool all);

#endif
