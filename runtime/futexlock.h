/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mutex of one word that a signal handler may take, as long as its own thread does not hold
 * it: unlike a pthread_mutex it keeps no owner. 0 free, 1 held, 2 held and waited for.
 */
#ifndef CL_RUNTIME_FUTEXLOCK_H
#define CL_RUNTIME_FUTEXLOCK_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct cl_futexlock {
    _Atomic uint32_t word;
};

static inline void cl_futexlock_take(struct cl_futexlock *lock)
{
    uint32_t seen = 0;

    if (atomic_compare_exchange_strong(&lock->word, &seen, 1))
        return;
    while (atomic_exchange(&lock->word, 2) != 0)
        syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline void cl_futexlock_give(struct cl_futexlock *lock)
{
    if (atomic_exchange(&lock->word, 0) == 2)
        syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
