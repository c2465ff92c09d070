/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load client: N clients, each with at most one operation under way, driven by one epoll loop.
 *
 *   closed loop  a client starts again as soon as it has its answer
 *   open loop    a client's starts are due every `gap_ns`, whatever happened to the one before; time
 *                counts from when it was due, so a slow answer can't hide the wait of the next
 *
 * What an operation is, a driver says: one HTTP call, or one process from start to end.
 */
#ifndef CL_BENCH_LOAD_H
#define CL_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/buf.h"

enum { CL_LOAD_CLIENTS_MAX = 64 };

struct cl_load;

struct cl_load_client {
    struct cl_load *load; /* borrowed */
    int fd;               /* what epoll watches for this client; owned by the driver */
    bool is_busy;
    uint64_t due_ns;   /* next start, open loop */
    uint64_t start_ns; /* of the operation under way, or when it was due */
    int pid;           /* exec driver */
    size_t sent;       /* http driver: bytes of the request */
    struct cl_buf answer;
};

enum cl_load_step { CL_LOAD_FAILED = -1, CL_LOAD_MORE = 0, CL_LOAD_DONE = 1 };

struct cl_load_driver {
    const char *name;
    /* Reads what is left of the command line. */
    int (*init)(struct cl_load *load, int argc, char **argv, struct cl_err *err);
    /* Starts one operation. CL_E_SYS and the like end the whole run. */
    int (*start)(struct cl_load_client *client, struct cl_err *err);
    enum cl_load_step (*on_event)(struct cl_load_client *client);
    void (*fini)(struct cl_load_client *client);
};

struct cl_load {
    const struct cl_load_driver *driver;
    int epoll;
    size_t clients;
    uint64_t gap_ns; /* 0: closed loop */
    uint64_t length_ns;
    uint64_t warm_ns; /* at the start, not counted */
    struct cl_load_client client[CL_LOAD_CLIENTS_MAX];

    /* http */
    struct cl_buf request;
    uint16_t port;
    uint32_t address;
    /* exec */
    char **argv;
    uint64_t ended; /* processes, also while warming up */

    uint64_t *samples; /* owned, nanoseconds */
    size_t sample_count, sample_room;
    uint64_t errors;
    uint64_t counted_ns; /* how long counting took */
};

extern const struct cl_load_driver cl_load_http, cl_load_exec;

uint64_t cl_load_now_ns(void);
/* CPU of all processes that this one started; waits for the last of them. */
uint64_t cl_load_children_us(void);
/* Watch client->fd, for reading and, with `wants_write`, writing. */
int cl_load_watch(struct cl_load_client *client, bool wants_write, struct cl_err *err);

int cl_load_run(struct cl_load *load, struct cl_err *err);
void cl_load_fini(struct cl_load *load);

#endif
