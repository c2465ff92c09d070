/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked workers as the API holds them: one socket each, known by cloched's id. A spare is of
 * use once its READY has arrived. That is looked at when a call wants it: a parked worker that
 * dies is told by END, and one whose READY nobody waits for should wake nobody. END frees it.
 */
#ifndef CL_API_SPARE_H
#define CL_API_SPARE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/tenants/tenant.h"
#include "sandbox/base/list.h"

struct event_base;

/* Who keeps a taken spare for more than one job (api/session*.c) and hears of it instead. */
struct cl_spare_holder {
    void (*on_readable)(void *self);
    void (*on_writable)(void *self);
    void (*on_taken)(void *self);
    void (*on_usage)(void *self, const struct cl_msg_usage *usage);
    void (*on_end)(void *self, const struct cl_msg_end *end); /* the spare is his to free */
};

enum cl_spare_state {
    CL_SPARE_BORN = 0, /* in its pool's list, READY was not seen */
    CL_SPARE_IDLE,     /* in its pool's list */
    CL_SPARE_TAKEN,    /* `job` has it */
    CL_SPARE_GONE,     /* socket closed, END is awaited */
};

struct cl_spare {
    struct cl_list node; /* of pool->idle */
    uint64_t id;
    uint64_t job;                         /* id; 0: free, or a holder's */
    const struct cl_spare_holder *holder; /* NULL: the job's alone */
    void *holder_self;
    struct cl_pool *pool;
    uint32_t generation;
    enum cl_spare_state state;
    int fd; /* owned */
    bool is_reading, is_writing;
    struct event readable, writable;
    uint8_t head[8]; /* READY as it arrives */
    size_t head_length;
    void *owner; /* the dispatcher, for its event callbacks */
};

/* Takes the socket, joins the pool's list, watches nothing yet. */
struct cl_spare *cl_spare_new(const struct cl_msg_offer *offer, struct cl_pool *pool, int *fd);
void cl_spare_free(struct cl_spare *spare);

void cl_spare_read(struct cl_spare *spare, bool on);  /* watch for bytes, or stop to */
void cl_spare_write(struct cl_spare *spare, bool on); /* watch for room, once */
/* Stops watching, leaves the idle list and closes the socket: a parked worker then exits. */
void cl_spare_close(struct cl_spare *spare);

void cl_spare_take(struct cl_spare *spare, uint64_t job); /* out of the list */

/* Reads what a parked worker sent. 1: READY is complete now, the spare is IDLE. 0: nothing new.
 * -1: it is gone, or says what it may not say. */
int cl_spare_recv_ready(struct cl_spare *spare, struct cl_err *err);

#endif
