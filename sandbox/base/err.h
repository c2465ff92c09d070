/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one error type. A fixed 256 bytes, no heap: it works after clone, under memory pressure,
 * and is sent over a socket as it is. Functions that can fail return a useful non-negative value
 * or -1 and fill a caller-owned `struct cl_err`, always the last argument and never NULL.
 */
#ifndef CL_BASE_ERR_H
#define CL_BASE_ERR_H

#include <stdint.h>

enum cl_err_kind {
    CL_E_NONE = 0,
    CL_E_INPUT,  /* what came in is malformed; the sender is told why */
    CL_E_DENIED, /* a rule refused it */
    CL_E_LIMIT,  /* a cap was reached */
    CL_E_BUSY,   /* try again later */
    CL_E_LOST,   /* a peer went away or broke its protocol */
    CL_E_SYS,    /* the operating system said no; `sys` holds errno */
};

struct cl_err {
    uint32_t kind; /* enum cl_err_kind */
    int32_t sys;   /* errno at the place of the fault, 0 when there is none */
    uint32_t line; /* place of the fault: never shown when the error came from a worker */
    char file[28];
    char text[216];
};

_Static_assert(sizeof(struct cl_err) == 256, "an error is one fixed record");

/* clang-format off */
#define CL_ERR_INIT { 0, 0, 0, { 0 }, { 0 } }
/* clang-format on */

/* Record a fault where it happened; saves errno for CL_E_SYS. Always returns -1. */
#define cl_fail(err, kind, ...) cl_err_set((err), (kind), __FILE__, __LINE__, __VA_ARGS__)

int cl_err_set(struct cl_err *err, enum cl_err_kind kind, const char *file, int line,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Put "context: " in front of the text when an error crosses a module. Always returns -1. */
int cl_err_context(struct cl_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Make an error received from a weaker process safe to log: unknown kinds become LOST, the place
 * is dropped, text is terminated and stripped of control bytes. */
void cl_err_distrust(struct cl_err *err);

/* The kind as a lower-case word ("input", "denied", ...). */
const char *cl_err_kind_name(uint32_t kind);

/* A bug, not an error: logs the expression and aborts; stays on in release builds. Never tests
 * anything that a client, a worker or an admin's file can influence. */
#define CL_CHECK(x)                                                                            \
    do {                                                                                       \
        if (!(x))                                                                              \
            cl_check_failed(#x, __FILE__, __LINE__);                                           \
    } while (0)

_Noreturn void cl_check_failed(const char *expression, const char *file, int line);

#endif
