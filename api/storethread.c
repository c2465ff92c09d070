/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread: takes what is queued, makes one transaction of it, tidies up in between.
 * Runs in: cloche-api, on the store thread.
 * Trusts: works, which are our code; not that a disk takes what is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/storeq_impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/utc.h"

enum {
    GROUP_MOST = 512,         /* works of one transaction, so that the first is not kept long */
    TIDY_SOON_US = 200000,    /* while there is more to let go */
    TIDY_AFTER_US = 1000000,  /* something was written */
    TIDY_LATER_US = 30000000, /* nothing was due */
    PROBE_EVERY_US = 1000000, /* while nothing can be written */
};

/* ------------------------------------------------------------------------------- a group */

/* Nothing of these is kept. */
static void fail_group(struct cl_list *group, const struct cl_err *err)
{
    cl_list_each (node, keep, group) {
        struct cl_storeq_item *item = cl_list_entry(node, struct cl_storeq_item, node);

        if (item->err.kind == CL_E_NONE)
            item->err = *err;
    }
}

/* Whether the transaction still stands. */
static bool run_one(struct cl_store *store, struct cl_storeq_item *item)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_store_mark(store, &item->err) < 0)
        return cl_store_undo(store);
    if (item->run(store, item->arg, &item->err) < 0) {
        if (item->err.kind == CL_E_NONE)
            cl_fail(&item->err, CL_E_SYS, "a write failed without a reason");
        return cl_store_undo(store);
    }
    item->err.kind = CL_E_NONE; /* a work may have handled an error that it was told */
    if (cl_store_keep(store, &err) == 0)
        return true;
    item->err = err;
    return cl_store_undo(store);
}

/* Runs works from the head of `works` into `group` until all are run or the transaction is
 * lost; that of `err`. */
static int run_group(struct cl_store *store, struct cl_list *works, struct cl_list *group,
                     struct cl_err *err)
{
    unsigned count = 0;

    if (cl_store_begin(store, err) < 0) {
        cl_storeq_move(group, works);
        return -1;
    }
    cl_list_each (node, keep, works) {
        struct cl_storeq_item *item = cl_list_entry(node, struct cl_storeq_item, node);

        cl_list_unlink(&item->node);
        cl_list_append(group, &item->node);
        if (!run_one(store, item)) {
            *err = item->err;
            cl_store_rollback(store);
            return -1;
        }
        if (++count == GROUP_MOST)
            break;
    }
    return cl_store_commit(store, err);
}

/* ------------------------------------------------------------------------------ its health */

static bool is_fault(uint32_t kind)
{
    return kind != CL_E_NONE && kind != CL_E_INPUT;
}

static bool has_fault(struct cl_list *group)
{
    cl_list_each (node, keep, group) {
        if (is_fault(cl_list_entry(node, struct cl_storeq_item, node)->err.kind))
            return true;
    }
    return false;
}

static void note_health(struct cl_storeq *queue, bool is_writable, const char *why)
{
    bool was;

    pthread_mutex_lock(&queue->mutex);
    was = queue->health.is_writable;
    queue->health.is_writable = is_writable;
    memcpy(queue->health.why, why, strnlen(why, sizeof(queue->health.why) - 1) + 1);
    queue->proved_us = cl_clock_us();
    queue->is_probe_wanted = false;
    pthread_mutex_unlock(&queue->mutex);
    if (!was && is_writable)
        cl_log(CL_INFO, "store.writable", "what=\"it takes what is written again\"");
    if (was && !is_writable)
        cl_log(CL_ERROR, "store.unwritable", "what=\"%s\"", why);
}

static void probe(struct cl_storeq *queue)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_store_probe(queue->store, &err) == 0)
        note_health(queue, true, "");
    else
        note_health(queue, false, err.text);
}

/* Soon, but not with every refusal: a quota is no fault of the disk. */
static void want_probe(struct cl_storeq *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_probe_wanted = true;
    pthread_mutex_unlock(&queue->mutex);
}

/* ------------------------------------------------------------------------------- the thread */

static void hand_back(struct cl_storeq *queue, struct cl_list *group)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&queue->mutex);
    cl_storeq_move(&queue->done, group);
    pthread_mutex_unlock(&queue->mutex);
    /* It can only fail when 2^64 of them were not read. */
    while (write(queue->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/* What was written may have made something else too much to keep. */
static void tidy_within(struct cl_storeq *queue, uint64_t wait_us)
{
    const uint64_t at_us = cl_clock_us() + wait_us;

    if (queue->tidy_us > at_us)
        queue->tidy_us = at_us;
}

static void work_off(struct cl_storeq *queue, struct cl_list *works)
{
    struct cl_list group;

    cl_list_init(&group);
    while (!cl_list_is_empty(works)) {
        struct cl_err err = CL_ERR_INIT;

        if (run_group(queue->store, works, &group, &err) < 0)
            fail_group(&group, &err);
        else
            tidy_within(queue, TIDY_AFTER_US);
        if (has_fault(&group))
            want_probe(queue);
        hand_back(queue, &group);
    }
}

static void tidy(struct cl_storeq *queue, uint64_t now_us)
{
    struct cl_err err = CL_ERR_INIT;
    int more;

    if (now_us < queue->tidy_us)
        return;
    more = cl_store_tidy(queue->store, cl_utc_us(), &err);
    if (more < 0)
        cl_log(CL_WARN, "store.tidy", "what=\"%s\"", err.text);
    queue->tidy_us = cl_clock_us() + (more > 0 ? TIDY_SOON_US : TIDY_LATER_US);
}

/* When the store is tried again, or else tidied up. Under the mutex. */
static uint64_t next_us(const struct cl_storeq *queue)
{
    return queue->is_probe_wanted || !queue->health.is_writable
               ? queue->proved_us + PROBE_EVERY_US
               : queue->tidy_us;
}

/* Until there is something to do, or time for it. Under the mutex. */
static void wait_for_work(struct cl_storeq *queue)
{
    while (cl_list_is_empty(&queue->works) && !queue->is_ending) {
        const uint64_t until_us = next_us(queue);
        const struct timespec until = { (time_t)(until_us / 1000000),
                                        (long)(until_us % 1000000) * 1000 };

        if (pthread_cond_timedwait(&queue->wake, &queue->mutex, &until) == ETIMEDOUT)
            return;
    }
}

void *cl_storeq_thread(void *arg)
{
    struct cl_storeq *queue = arg;
    struct cl_list works;
    bool is_ending = false, is_probed = false;

    cl_list_init(&works);
    pthread_mutex_lock(&queue->mutex);
    queue->is_up = true;
    pthread_cond_signal(&queue->up);
    while (!is_ending) {
        wait_for_work(queue);
        cl_storeq_move(&works, &queue->works);
        /* What came before the end was asked for is here; more is not let in. */
        is_ending = queue->is_ending;
        is_probed = (queue->is_probe_wanted || !queue->health.is_writable) &&
                    cl_clock_us() >= next_us(queue);
        pthread_mutex_unlock(&queue->mutex);
        work_off(queue, &works);
        if (is_probed && !is_ending)
            probe(queue);
        tidy(queue, cl_clock_us());
        pthread_mutex_lock(&queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    return NULL;
}
