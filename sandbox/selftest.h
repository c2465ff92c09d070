/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before cloched says that it is ready, real workers of the default policy prove the jail: one
 * tells what it sees of it, and one each makes a call of every class that must be refused. With
 * --prove NAME they are of that policy, and every system call there is has its worker.
 */
#ifndef CL_SELFTEST_H
#define CL_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/base/wire.h"
#include "sandbox/loop.h"

enum { CL_SELFTEST_MAX = 24 }; /* most workers asked at once */

struct cl_spare;
struct cl_pool;
struct cl_daemon;
struct cl_probe;

struct cl_selftest_run {
    struct cl_watch watch; /* the probe's job socket */
    struct cl_spare *spare;
    struct cl_daemon *daemon;
    struct cl_timer patience;
    uint32_t got; /* bytes of the answer */
    bool is_started, is_done;
    union {
        uint8_t bytes[2 * sizeof(struct cl_frame) + sizeof(struct cl_frame_probed)];
        struct {
            struct cl_frame ready, head;
            struct cl_frame_probed probed;
        } frames;
    } answer;
};

struct cl_selftest {
    struct cl_probe *probes; /* `count` of each, owned; NULL until a generation is loaded */
    struct cl_selftest_run *runs;
    size_t count;
    struct cl_pool *pool; /* whose workers are asked; not freed before the test is over */
    struct cl_timer deadline;
    uint32_t done;
    bool is_running, is_passed, has_failed;
};

/* Once policies are in force: whose jail is to be proved, and how. NULL when there is no policy
 * of the name that was asked for. */
struct cl_pool *cl_selftest_open(struct cl_daemon *daemon);
/* How many of the next spares of this pool are for the self-test, at most CL_SELFTEST_MAX. */
uint32_t cl_selftest_wants(const struct cl_pool *pool);
void cl_selftest_give(struct cl_daemon *daemon, struct cl_spare *spare);
/* A probe's worker has ended, and how. */
void cl_selftest_on_end(struct cl_daemon *daemon, const struct cl_spare *spare,
                        const struct cl_msg_end *end);

/* What one probe means; pure. `sys` is its errno (0: the call succeeded). NULL: as it has to be. */
const char *cl_selftest_judge_call(bool died, int32_t status, int32_t sys);
const char *cl_selftest_judge_open(bool died, int32_t status, int32_t sys);
const char *cl_selftest_judge_jail(const struct cl_frame_probed *seen, uint32_t uid);

#endif
