/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one parked worker's socket.
 * Runs in: cloche-api.
 * Trusts: nothing of the worker, though before GO it runs our code only.
 */
#include "api/dispatch/spare.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/own.h"

struct cl_spare *cl_spare_new(const struct cl_msg_offer *offer, struct cl_pool *pool, int *fd)
{
    struct cl_spare *spare = calloc(1, sizeof(*spare));

    CL_CHECK(spare);
    cl_list_init(&spare->node);
    spare->id = offer->spare;
    spare->pool = pool;
    pool->users++;
    spare->generation = offer->generation;
    spare->fd = cl_take_fd(fd);
    cl_list_append(&pool->idle, &spare->node);
    pool->idle_count++;
    return spare;
}

void cl_spare_read(struct cl_spare *spare, bool on)
{
    if (on == spare->is_reading || spare->fd < 0)
        return;
    spare->is_reading = on;
    if (on)
        event_add(&spare->readable, NULL);
    else
        event_del(&spare->readable);
}

void cl_spare_write(struct cl_spare *spare, bool on)
{
    if (on == spare->is_writing || spare->fd < 0)
        return;
    spare->is_writing = on;
    if (on)
        event_add(&spare->writable, NULL);
    else
        event_del(&spare->writable);
}

static void unpark(struct cl_spare *spare)
{
    if (spare->state > CL_SPARE_IDLE)
        return;
    cl_list_unlink(&spare->node);
    spare->pool->idle_count--;
}

void cl_spare_close(struct cl_spare *spare)
{
    unpark(spare);
    cl_spare_read(spare, false);
    cl_spare_write(spare, false);
    cl_own_close(&spare->fd);
    spare->state = CL_SPARE_GONE;
}

void cl_spare_free(struct cl_spare *spare)
{
    if (!spare)
        return;
    cl_spare_close(spare);
    spare->pool->users--;
    free(spare);
}

void cl_spare_take(struct cl_spare *spare, uint64_t job)
{
    unpark(spare);
    spare->state = CL_SPARE_TAKEN;
    spare->job = job;
}

int cl_spare_recv_ready(struct cl_spare *spare, struct cl_err *err)
{
    /* One byte of room after READY, so that whatever follows is noticed. */
    uint8_t bytes[sizeof(spare->head) + 1];
    const struct cl_frame ready = cl_frame_make(CL_F_READY, 0);
    const size_t room = sizeof(bytes) - spare->head_length;
    const ssize_t length = recv(spare->fd, bytes, room, MSG_DONTWAIT);

    _Static_assert(sizeof(spare->head) == sizeof(struct cl_frame), "READY is one head");
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (length < 0)
        return cl_fail(err, CL_E_SYS, "read from a parked worker");
    if (length == 0)
        return cl_fail(err, CL_E_LOST, "a parked worker is gone");
    if ((size_t)length == room)
        return cl_fail(err, CL_E_LOST, "a parked worker says more than READY");

    memcpy(spare->head + spare->head_length, bytes, (size_t)length);
    spare->head_length += (size_t)length;
    if (spare->head_length < sizeof(ready))
        return 0;
    if (memcmp(spare->head, &ready, sizeof(ready)) != 0)
        return cl_fail(err, CL_E_LOST, "a parked worker says something else than READY");
    spare->state = CL_SPARE_IDLE;
    spare->pool->had_spare = true;
    return 1;
}
