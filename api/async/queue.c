/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns between tenants, lanes within one.
 * Runs in: cloche-api.
 * Trusts: its caller. Names of tenants are cloched's.
 */
#include "api/async/queue.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

enum { STRIDE = 1 << 20 };

struct cl_asyncq_tenant {
    struct cl_list node;
    char name[CL_NAME_MAX];
    struct cl_list lanes[CL_ASYNCQ_LANES];
    uint32_t waiting, running;
    uint32_t weight;
    uint64_t mark; /* of its next turn; the smallest is next */
    unsigned turn; /* in the pattern of lanes */
};

struct cl_asyncq {
    struct cl_asyncq_caps caps;
    struct cl_list tenants; /* as many as ever had a call here: at most those of the service */
    uint64_t mark;          /* of the last turn */
    uint32_t waiting, running;
};

static const unsigned pattern[] = { 0, 1, 0, 2, 0, 1, 0 };

struct cl_asyncq *cl_asyncq_new(const struct cl_asyncq_caps *caps)
{
    struct cl_asyncq *queue = calloc(1, sizeof(*queue));

    CL_CHECK(queue);
    queue->caps = *caps;
    cl_list_init(&queue->tenants);
    return queue;
}

void cl_asyncq_free(struct cl_asyncq *queue)
{
    if (!queue)
        return;
    cl_list_each (node, keep, &queue->tenants)
        free(cl_list_entry(node, struct cl_asyncq_tenant, node));
    free(queue);
}

static struct cl_asyncq_tenant *find(const struct cl_asyncq *queue, const char *name)
{
    cl_list_each (node, keep, &queue->tenants) {
        struct cl_asyncq_tenant *tenant = cl_list_entry(node, struct cl_asyncq_tenant, node);

        if (strcmp(tenant->name, name) == 0)
            return tenant;
    }
    return NULL;
}

static struct cl_asyncq_tenant *find_or_make(struct cl_asyncq *queue, const char *name)
{
    struct cl_asyncq_tenant *tenant = find(queue, name);

    if (tenant)
        return tenant;
    tenant = calloc(1, sizeof(*tenant));
    CL_CHECK(tenant && strlen(name) < sizeof(tenant->name));
    strcpy(tenant->name, name);
    tenant->weight = CL_ASYNCQ_WEIGHT;
    for (unsigned i = 0; i < CL_ASYNCQ_LANES; i++)
        cl_list_init(&tenant->lanes[i]);
    cl_list_append(&queue->tenants, &tenant->node);
    return tenant;
}

static uint32_t tenants_waiting(const struct cl_asyncq *queue,
                                const struct cl_asyncq_tenant *self)
{
    uint32_t count = 1;

    cl_list_each (node, keep, &queue->tenants) {
        const struct cl_asyncq_tenant *tenant =
            cl_list_entry(node, struct cl_asyncq_tenant, node);

        count += tenant != self && tenant->waiting > 0;
    }
    return count;
}

bool cl_asyncq_has_room(const struct cl_asyncq *queue, const char *name)
{
    const struct cl_asyncq_tenant *tenant = find(queue, name);
    const uint32_t waiting = tenant ? tenant->waiting : 0;

    if (queue->waiting >= queue->caps.waiting)
        return false;
    /* While half of the room is free nobody has to share it. */
    return queue->waiting < queue->caps.waiting / 2 ||
           waiting < queue->caps.waiting / tenants_waiting(queue, tenant);
}

void cl_asyncq_put(struct cl_asyncq *queue, const char *name, struct cl_asyncq_item *item,
                   unsigned lane, bool in_front)
{
    struct cl_asyncq_tenant *tenant;

    cl_asyncq_remove(queue, item);
    tenant = find_or_make(queue, name);
    if (tenant->waiting == 0 && tenant->mark < queue->mark)
        tenant->mark = queue->mark;
    item->tenant = tenant;
    item->lane = lane < CL_ASYNCQ_LANES ? lane : CL_ASYNCQ_LANES - 1;
    cl_list_append(in_front ? tenant->lanes[item->lane].next : &tenant->lanes[item->lane],
                   &item->node);
    tenant->waiting++;
    queue->waiting++;
}

/* Who is next of a tenant that has somebody waiting: the lane whose turn it is, or the first
 * that is not empty. */
static struct cl_asyncq_item *head_of(const struct cl_asyncq_tenant *tenant)
{
    const struct cl_list *lane = &tenant->lanes[pattern[tenant->turn % CL_COUNT(pattern)]];

    for (unsigned i = 0; cl_list_is_empty(lane); i++) {
        CL_CHECK(i < CL_ASYNCQ_LANES);
        lane = &tenant->lanes[i];
    }
    return cl_list_entry(lane->next, struct cl_asyncq_item, node);
}

/* The waiting tenant with the smallest mark above `after` (of two with one mark, the first in
 * the list that was not asked yet); NULL: none. */
static struct cl_asyncq_tenant *next_tenant(const struct cl_asyncq *queue,
                                            const struct cl_asyncq_tenant *after)
{
    struct cl_asyncq_tenant *best = NULL;
    bool is_behind = after == NULL; /* in the list, of those with the same mark */

    cl_list_each (node, keep, &queue->tenants) {
        struct cl_asyncq_tenant *tenant = cl_list_entry(node, struct cl_asyncq_tenant, node);

        if (tenant == after) {
            is_behind = true;
            continue;
        }
        if (tenant->waiting == 0 || tenant->running >= queue->caps.running_tenant)
            continue;
        if (after &&
            (tenant->mark < after->mark || (tenant->mark == after->mark && !is_behind)))
            continue;
        if (!best || tenant->mark < best->mark)
            best = tenant;
    }
    return best;
}

static void count(struct cl_asyncq *queue, struct cl_asyncq_item *item)
{
    item->is_counted = true;
    item->tenant->running++;
    queue->running++;
}

static void uncount(struct cl_asyncq *queue, struct cl_asyncq_item *item)
{
    item->is_counted = false;
    item->tenant->running--;
    queue->running--;
}

static void unwait(struct cl_asyncq *queue, struct cl_asyncq_item *item)
{
    cl_list_unlink(&item->node);
    item->tenant->waiting--;
    queue->waiting--;
}

struct cl_asyncq_item *cl_asyncq_take(struct cl_asyncq *queue,
                                      bool (*may)(void *self, struct cl_asyncq_item *item),
                                      void *self)
{
    struct cl_asyncq_tenant *tenant = NULL;
    struct cl_asyncq_item *item;

    if (queue->running >= queue->caps.running)
        return NULL;
    do {
        tenant = next_tenant(queue, tenant);
        if (!tenant)
            return NULL;
        item = head_of(tenant);
    } while (may && !may(self, item));
    unwait(queue, item);
    count(queue, item);
    tenant->turn++;
    if (queue->mark < tenant->mark)
        queue->mark = tenant->mark;
    tenant->mark += STRIDE / (tenant->weight ? tenant->weight : 1);
    return item;
}

void cl_asyncq_count(struct cl_asyncq *queue, const char *name, struct cl_asyncq_item *item)
{
    cl_asyncq_remove(queue, item);
    item->tenant = find_or_make(queue, name);
    count(queue, item);
}

void cl_asyncq_remove(struct cl_asyncq *queue, struct cl_asyncq_item *item)
{
    if (!item->tenant)
        return;
    if (item->is_counted)
        uncount(queue, item);
    else
        unwait(queue, item);
    item->tenant = NULL;
}

void cl_asyncq_weigh(struct cl_asyncq *queue, const char *name, uint32_t weight)
{
    struct cl_asyncq_tenant *tenant = find(queue, name);

    if (tenant)
        tenant->weight = weight ? weight : 1;
}

uint32_t cl_asyncq_waiting(const struct cl_asyncq *queue)
{
    return queue->waiting;
}

uint32_t cl_asyncq_running(const struct cl_asyncq *queue)
{
    return queue->running;
}
