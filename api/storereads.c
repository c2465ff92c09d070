/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who reads next from the store: a few at a time, tenants in turn.
 * Runs in: cloche-api, on the event loop.
 * Trusts: -
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/storeq_impl.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

enum {
    AT_ONCE = 2, /* one that is read, one behind it, so that the thread need not wait for us */
    PART_OF_ALL = 8, /* of the works that may wait, one reader's reads */
};

/* Somebody with reads that wait. */
struct reader {
    struct cl_list node;
    char name[CL_NAME_MAX];
    struct cl_list items;
    uint32_t count;
};

static struct reader *find(const struct cl_storeq *queue, const char *name)
{
    cl_list_each (node, keep, &queue->readers) {
        struct reader *reader = cl_list_entry(node, struct reader, node);

        if (strcmp(reader->name, name) == 0)
            return reader;
    }
    return NULL;
}

static struct reader *make(struct cl_storeq *queue, const char *name)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    CL_CHECK(reader);
    snprintf(reader->name, sizeof(reader->name), "%s", name);
    cl_list_init(&reader->node);
    cl_list_init(&reader->items);
    cl_list_append(&queue->readers, &reader->node);
    return reader;
}

/* The first of those who wait, who then is the last. */
static struct cl_storeq_item *next(struct cl_storeq *queue)
{
    struct reader *reader = cl_list_entry(queue->readers.next, struct reader, node);
    struct cl_storeq_item *item =
        cl_list_entry(reader->items.next, struct cl_storeq_item, node);

    cl_list_unlink(&item->node);
    cl_list_unlink(&reader->node);
    if (--reader->count > 0)
        cl_list_append(&queue->readers, &reader->node);
    else
        free(reader);
    return item;
}

void cl_storeq_feed(struct cl_storeq *queue, bool all)
{
    while ((all || queue->reading < AT_ONCE) && !cl_list_is_empty(&queue->readers)) {
        queue->reading++;
        cl_storeq_push(queue, next(queue));
    }
}

int cl_storeq_read(struct cl_storeq *queue, const char *who, cl_storeq_work *run,
                   cl_storeq_done *done, void *arg, struct cl_err *err)
{
    struct reader *reader = find(queue, who);
    struct cl_storeq_item *item;

    if (reader && reader->count >= queue->caps.works / PART_OF_ALL)
        return cl_fail(err, CL_E_BUSY, "%" PRIu32 " of your reads wait", reader->count);
    item = cl_storeq_item(queue, run, done, arg, 0, err);
    if (!item)
        return -1;
    if (!reader)
        reader = make(queue, who);
    item->is_read = true;
    cl_list_append(&reader->items, &item->node);
    reader->count++;
    cl_storeq_feed(queue, false);
    return 0;
}
