/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages with file descriptors over AF_UNIX SOCK_SEQPACKET (SCM_RIGHTS). A received fd is
 * O_CLOEXEC; more fds than asked for, or a truncated message, is CL_E_LOST, and too few free
 * descriptors of this process are CL_E_LIMIT: every fd that came along is closed then.
 */
#ifndef CL_BASE_FDPASS_H
#define CL_BASE_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#include "sandbox/base/err.h"

enum { CL_FDPASS_MAX = 8 };

/* Sends one message; fds are borrowed. CL_E_BUSY when the socket is full (non-blocking),
 * CL_E_LOST when the peer is gone. Never raises SIGPIPE. */
int cl_fdpass_send(int socket, const void *bytes, size_t length, const int *fds,
                   size_t fd_count, struct cl_err *err);

/* Receives one message of at most `size` bytes. `fds` has room for CL_FDPASS_MAX and is filled
 * with -1 beyond *fd_count. Returns the length; 0 means the peer closed; CL_E_BUSY when nothing
 * is there (non-blocking). The caller owns the fds. */
ssize_t cl_fdpass_recv(int socket, void *bytes, size_t size, int *fds, size_t *fd_count,
                       struct cl_err *err);

/* A connected pair of `type` (SOCK_SEQPACKET or SOCK_STREAM), both ends O_CLOEXEC. */
int cl_fdpass_pair(int type, int pair[2], struct cl_err *err);

/* Check that an inherited fd is an AF_UNIX socket of `type`. */
int cl_fdpass_check(int fd, int type, struct cl_err *err);

#endif
