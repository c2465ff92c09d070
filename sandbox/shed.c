/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes descriptors and drops capabilities.
 * Runs in: cloched, and its forked children until they are what they become.
 * Trusts: its callers.
 */
#include "sandbox/shed.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <unistd.h>

enum { FDS_FREE = 64 };

int cl_shed_fds(int *fds, size_t count, unsigned flags, struct cl_err *err)
{
    bool is_placed = true;

    /* Aside first: one may be where another belongs. */
    for (size_t i = 0; i < count; i++)
        is_placed &= (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FDS_FREE)) >= 0;
    for (size_t i = 0; i < count; i++)
        is_placed = is_placed && (fds[i] = dup2(fds[i], (int)i)) >= 0;
    if (!is_placed || close_range((unsigned)count, ~0u, (int)flags) < 0)
        return cl_fail(err, CL_E_SYS, "place descriptors");
    return 0;
}

int cl_shed_capabilities(const char *held, const char *bound, struct cl_err *err)
{
    cap_t kept = cap_from_text(held), most = cap_from_text(bound);
    cap_iab_t set = cap_iab_init();
    bool is_done = kept && most && set &&
                   cap_iab_fill(set, CAP_IAB_BOUND, most, CAP_PERMITTED) == 0 &&
                   cap_iab_set_proc(set) == 0 && cap_set_proc(kept) == 0;

    cap_free(set);
    cap_free(most);
    cap_free(kept);
    return is_done ? 0 : cl_fail(err, CL_E_SYS, "keep no capabilities but %s", held);
}
