/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers that it wants before it. */
#ifndef CL_TESTS_UNIT_H
#define CL_TESTS_UNIT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/base/err.h"

/* The call failed with this kind, and says why. */
#define assert_fails(call, err, wanted)                                                        \
    do {                                                                                       \
        assert_int_equal((call), -1);                                                          \
        assert_string_equal(cl_err_kind_name((err)->kind), cl_err_kind_name(wanted));          \
        assert_true((err)->text[0] != '\0');                                                   \
    } while (0)

/* The call worked; if not, show what it says. */
#define assert_works(call, err)                                                                \
    do {                                                                                       \
        if ((call) < 0)                                                                        \
            fail_msg("%s: %s", #call, (err)->text);                                            \
    } while (0)

/* Runs `bug` in a child: it must abort. */
static inline void assert_aborts(void (*bug)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        bug();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#endif
