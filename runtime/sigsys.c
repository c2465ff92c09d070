/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports a trapped system call as DENIED and ends the process.
 * Runs in: a worker, inside its SIGSYS handler: async-signal-safe, never returns but under a
 * learning policy.
 * Trusts: nothing: the call was not made whatever happens here. Code that replaces this handler
 * only loses the message.
 */
#include "runtime/sigsys.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/emit.h"
#include "runtime/learn.h"
#include "sandbox/base/own.h"

enum { NUMBER_MAX = 16, MESSAGE_MAX = 96, EXIT_DENIED = 1 };

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code; <asm-generic/siginfo.h> clashes with <signal.h> */
#endif

static const char *const names[] = {
#include "syscall_names.inc"
};

const char *cl_sigsys_name(long number)
{
    return number >= 0 && (size_t)number < CL_COUNT(names) ? names[number] : NULL;
}

/* Decimal text of a number that has no name: i386 or x32 calls, or a kernel newer than we. */
static const char *number_text(unsigned number, char text[NUMBER_MAX])
{
    char *at = text + NUMBER_MAX;

    *--at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return at;
}

static void append(char *text, const char *more)
{
    size_t used = strlen(text);
    size_t length = strlen(more);

    if (length > MESSAGE_MAX - 1 - used)
        length = MESSAGE_MAX - 1 - used;
    memcpy(text + used, more, length);
    text[used + length] = '\0';
}

/* The call was not made; its caller gets the error that the filter chose. */
static void answer(ucontext_t *context, const siginfo_t *info)
{
    context->uc_mcontext.gregs[REG_RAX] =
        -(greg_t)cl_learn_syscall(info->si_syscall, info->si_errno);
}

static void on_sigsys(int number, siginfo_t *info, void *context)
{
    static const struct cl_frame_denied nowhere = { 0, 0, 0, 0, 0 };
    char digits[NUMBER_MAX];
    char message[MESSAGE_MAX] = "system call ";
    bool is_native = info->si_arch == AUDIT_ARCH_X86_64;
    const char *name = is_native ? cl_sigsys_name(info->si_syscall) : NULL;

    (void)number;
    if (info->si_code != SYS_SECCOMP)
        _exit(EXIT_DENIED); /* sent by somebody, not by the filter */
    if (is_native && cl_learn_is_on()) {
        answer(context, info);
        return;
    }
    if (!name)
        name = number_text((unsigned)info->si_syscall, digits);
    append(message, name);
    append(message,
           is_native ? " is not allowed" : " of a foreign architecture is not allowed");
    cl_emit_denied(&nowhere, "syscall", name, message);
    _exit(0); /* of a session too: the thread can't go on */
}

int cl_sigsys_install(struct cl_err *err)
{
    struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "SIGSYS handler");
    return 0;
}
