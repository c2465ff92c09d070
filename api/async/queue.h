/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which stored call starts next: tenants take turns by weight, a tenant's calls go by priority,
 * and nobody runs more than the caps allow. Pure; owns the tenants, borrows the calls.
 *
 * Weights are strides: whoever waits with the smallest mark is next, and his mark moves by what
 * one start costs him. Who comes anew starts at the present mark, so that idling saves nothing
 * up. Within a tenant, of every seven starts four are for high, two for normal, one for low, as
 * far as they wait; so low is late and never starved.
 */
#ifndef CL_API_ASYNCQ_H
#define CL_API_ASYNCQ_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/base/list.h"

enum { CL_ASYNCQ_LANES = 3, CL_ASYNCQ_WEIGHT = 100 };

struct cl_asyncq_caps {
    uint32_t running;        /* of all tenants */
    uint32_t running_tenant; /* of one */
    uint32_t waiting;        /* of all tenants; no tenant with company more than its part */
};

struct cl_asyncq;
struct cl_asyncq_tenant;

/* Embedded in a call. */
struct cl_asyncq_item {
    struct cl_list node; /* in a lane while it waits */
    struct cl_asyncq_tenant *tenant;
    unsigned lane;   /* 0: first */
    bool is_counted; /* runs */
};

struct cl_asyncq *cl_asyncq_new(const struct cl_asyncq_caps *caps);
void cl_asyncq_free(struct cl_asyncq *queue); /* the items are the caller's */

/* Whether one more of this tenant may wait. */
bool cl_asyncq_has_room(const struct cl_asyncq *queue, const char *tenant);
/* Waits from now on, behind the others of its lane or before them. */
void cl_asyncq_put(struct cl_asyncq *queue, const char *tenant, struct cl_asyncq_item *item,
                   unsigned lane, bool in_front);
/* The next one, which is then counted as running; NULL when none may start. `may` is asked about
 * the candidate of each tenant in turn; one that may not lets the next tenant go before. */
struct cl_asyncq_item *cl_asyncq_take(struct cl_asyncq *queue,
                                      bool (*may)(void *self, struct cl_asyncq_item *item),
                                      void *self);
/* Counts one as running that never waited here. */
void cl_asyncq_count(struct cl_asyncq *queue, const char *tenant, struct cl_asyncq_item *item);
/* It waits or runs no more. Harmless when it does neither. */
void cl_asyncq_remove(struct cl_asyncq *queue, struct cl_asyncq_item *item);

/* What a tenant's turn costs: 100 is ordinary, 200 gets twice as many. 0 is taken as 1. */
void cl_asyncq_weigh(struct cl_asyncq *queue, const char *tenant, uint32_t weight);

uint32_t cl_asyncq_waiting(const struct cl_asyncq *queue);
uint32_t cl_asyncq_running(const struct cl_asyncq *queue);

#endif
