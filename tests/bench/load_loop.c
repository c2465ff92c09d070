/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of the load client: who starts when, and what is counted.
 * Runs in: the bench, outside the service.
 * Trusts: its command line.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "tests/bench/load.h"

enum { EVENTS = 64, NS_PER_S = 1000000000 };

uint64_t cl_load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int cl_load_watch(struct cl_load_client *client, bool wants_write, struct cl_err *err)
{
    struct epoll_event event = { .events = EPOLLIN | (wants_write ? (uint32_t)EPOLLOUT : 0),
                                 .data.ptr = client };

    if (epoll_ctl(client->load->epoll, EPOLL_CTL_MOD, client->fd, &event) == 0)
        return 0;
    if (errno == ENOENT &&
        epoll_ctl(client->load->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0)
        return 0;
    return cl_fail(err, CL_E_SYS, "epoll_ctl");
}

static int count(struct cl_load *load, uint64_t took_ns, struct cl_err *err)
{
    if (load->sample_count == load->sample_room) {
        size_t room = load->sample_room ? load->sample_room * 2 : 4096;
        uint64_t *grown = reallocarray(load->samples, room, sizeof(*grown));

        if (!grown)
            return cl_fail(err, CL_E_SYS, "samples");
        load->samples = grown;
        load->sample_room = room;
    }
    load->samples[load->sample_count++] = took_ns;
    return 0;
}

/* Starts every idle client whose time has come. Returns when the next one is due. */
static int start_due(struct cl_load *load, uint64_t end_ns, uint64_t *next_ns,
                     struct cl_err *err)
{
    *next_ns = end_ns;
    for (size_t i = 0; i < load->clients; i++) {
        struct cl_load_client *client = &load->client[i];
        const uint64_t now_ns = cl_load_now_ns();

        if (client->is_busy || now_ns >= end_ns)
            continue;
        if (client->due_ns > now_ns) {
            *next_ns = client->due_ns < *next_ns ? client->due_ns : *next_ns;
            continue;
        }
        client->start_ns = load->gap_ns ? client->due_ns : now_ns;
        client->due_ns += load->gap_ns;
        client->is_busy = true;
        if (load->driver->start(client, err) < 0)
            return -1;
    }
    return 0;
}

static int on_client(struct cl_load_client *client, uint64_t count_from_ns, struct cl_err *err)
{
    struct cl_load *load = client->load;
    const enum cl_load_step step = load->driver->on_event(client);

    if (step == CL_LOAD_MORE || !client->is_busy)
        return 0;
    client->is_busy = false;
    if (client->start_ns < count_from_ns)
        return 0;
    if (step == CL_LOAD_FAILED) {
        load->errors++;
        return 0;
    }
    return count(load, cl_load_now_ns() - client->start_ns, err);
}

static size_t busy(const struct cl_load *load)
{
    size_t found = 0;

    for (size_t i = 0; i < load->clients; i++)
        found += load->client[i].is_busy;
    return found;
}

static int wait_events(const struct cl_load *load, uint64_t until_ns,
                       struct epoll_event events[EVENTS])
{
    const uint64_t now_ns = cl_load_now_ns();
    const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec wait = { (time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S) };
    const int ready = epoll_pwait2(load->epoll, events, EVENTS, &wait, NULL);

    return ready < 0 && errno == EINTR ? 0 : ready;
}

/* After the end, what is under way gets as long again to come back. */
static int loop(struct cl_load *load, uint64_t begin_ns, struct cl_err *err)
{
    const uint64_t count_from_ns = begin_ns + load->warm_ns;
    const uint64_t end_ns = count_from_ns + load->length_ns;
    const uint64_t give_up_ns = end_ns + load->length_ns + NS_PER_S;
    struct epoll_event events[EVENTS];

    for (;;) {
        uint64_t next_ns = 0;
        int ready;

        if (start_due(load, end_ns, &next_ns, err) < 0)
            return -1;
        if (cl_load_now_ns() >= end_ns) {
            next_ns = give_up_ns;
            if (busy(load) == 0 || cl_load_now_ns() >= give_up_ns)
                break;
        }
        ready = wait_events(load, next_ns, events);
        if (ready < 0)
            return cl_fail(err, CL_E_SYS, "epoll_pwait2");
        for (int i = 0; i < ready; i++) {
            if (on_client(events[i].data.ptr, count_from_ns, err) < 0)
                return -1;
        }
    }
    load->errors += busy(load);
    for (size_t i = 0; i < load->clients; i++) {
        if (load->client[i].is_busy)
            load->driver->fini(&load->client[i]);
    }
    load->counted_ns = cl_load_now_ns() - count_from_ns;
    return 0;
}

int cl_load_run(struct cl_load *load, struct cl_err *err)
{
    const uint64_t begin_ns = cl_load_now_ns();

    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        return cl_fail(err, CL_E_SYS, "epoll_create1");
    for (size_t i = 0; i < load->clients; i++) {
        /* Clients of an open loop are spread over the gap. */
        load->client[i].due_ns = begin_ns + load->gap_ns * i / load->clients;
        load->client[i].load = load;
        load->client[i].fd = -1;
        load->client[i].answer = (struct cl_buf)CL_BUF_INIT(1 << 20);
    }
    return loop(load, begin_ns, err);
}

void cl_load_fini(struct cl_load *load)
{
    for (size_t i = 0; i < load->clients && load->client[i].load; i++) {
        load->driver->fini(&load->client[i]);
        cl_buf_fini(&load->client[i].answer);
    }
    if (load->epoll > 0)
        close(load->epoll);
    cl_buf_fini(&load->request);
    free(load->samples);
}
