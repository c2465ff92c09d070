/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets go of what is kept long enough, a little at a time. Runs in: cloche-api, on the store
 * thread, when no work waits (and once a second when some do). Trusts: the clock of the host;
 * one that jumps ahead only shortens what is kept.
 */
#include "api/store/files.h"
#include "sandbox/base/clock.h"

/* A step may take this long, so that no work waits for more; a call goes with all its events. */
enum { STEP_US = 5000, FILES_STEP = 16 };

static const char *const rules[] = {
    "DELETE FROM call WHERE serial = (SELECT serial FROM call WHERE state = 2"
    " AND ended_us < ?1 ORDER BY ended_us LIMIT 1) AND ?2 >= 0",
    "DELETE FROM call WHERE serial = (SELECT serial FROM call WHERE state = 2"
    " AND serial <= (SELECT max(serial) FROM call) - ?2 ORDER BY serial LIMIT 1) AND ?1 >= 0",
    "DELETE FROM workflow WHERE serial = (SELECT serial FROM workflow WHERE is_done = 1"
    " AND ended_us < ?1 ORDER BY ended_us LIMIT 1) AND ?2 >= 0",
    "DELETE FROM workflow WHERE serial = (SELECT serial FROM workflow WHERE is_done = 1"
    " AND serial <= (SELECT max(serial) FROM workflow) - ?2 ORDER BY serial LIMIT 1)"
    " AND ?1 >= 0",
};

/* Returns how many rows went. */
static int step(struct cl_store *store, int64_t before_us, struct cl_err *err)
{
    const uint64_t until = cl_clock_us() + STEP_US;
    int total = 0;

    for (size_t i = 0; i < CL_COUNT(rules); i++) {
        int gone = 1;

        while (gone > 0 && cl_clock_us() < until) {
            gone = cl_sql_run(
                store, rules[i],
                CL_SQL_VALUES(CL_NUMBER(before_us), CL_NUMBER(store->caps.keep_calls)), err);
            if (gone < 0)
                return -1;
            total += gone;
        }
    }
    const int files = cl_store_files_forget(store, FILES_STEP, err);
    return files < 0 ? -1 : total + files;
}

int cl_store_tidy(struct cl_store *store, int64_t now_us, struct cl_err *err)
{
    const int64_t oldest = now_us - (int64_t)store->caps.keep_us;
    int gone;

    if (cl_store_begin(store, err) < 0)
        return -1;
    gone = step(store, oldest < 0 ? 0 : oldest, err);
    if (gone < 0) {
        cl_store_rollback(store);
        return -1;
    }
    if (cl_store_commit(store, err) < 0)
        return -1;
    return gone > 0;
}
