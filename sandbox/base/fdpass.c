/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends and receives messages with file descriptors, leaking none of them on any path.
 * Runs in: every process that has a control socket.
 * Trusts: the socket; neither the length nor the number of descriptors of what arrives.
 */
#include "sandbox/base/fdpass.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for exactly CL_FDPASS_MAX: more than that arrives as MSG_CTRUNC. */
union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * CL_FDPASS_MAX)];
};

static int fail_socket(struct cl_err *err, const char *verb)
{
    switch (errno) {
    case EAGAIN:
        return cl_fail(err, CL_E_BUSY, "%s: the socket is not ready", verb);
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ECONNREFUSED:
        return cl_fail(err, CL_E_LOST, "%s: the peer is gone", verb);
    default:
        return cl_fail(err, CL_E_SYS, "%s", verb);
    }
}

static void attach(struct msghdr *head, union control *control, const int *fds, size_t fd_count)
{
    size_t size = sizeof(int) * fd_count;

    memset(control, 0, sizeof(*control));
    head->msg_control = control->bytes;
    head->msg_controllen = CMSG_SPACE(size);
    struct cmsghdr *part = CMSG_FIRSTHDR(head);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(part), fds, size);
}

int cl_fdpass_send(int socket, const void *bytes, size_t length, const int *fds,
                   size_t fd_count, struct cl_err *err)
{
    /* sendmsg only reads what it points at. */
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
    union control control;
    ssize_t sent;

    CL_CHECK(length > 0 && fd_count <= CL_FDPASS_MAX);
    if (fd_count > 0)
        attach(&head, &control, fds, fd_count);

    /* Without descriptors a plain send: the API's filter has no sendmsg, so that nothing it holds
     * can be handed to cloched, where closing it could block. */
    do {
        sent = fd_count > 0 ? sendmsg(socket, &head, MSG_NOSIGNAL)
                            : send(socket, bytes, length, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return fail_socket(err, "send");
    if ((size_t)sent != length)
        return cl_fail(err, CL_E_LOST, "send: only %zd of %zu bytes left", sent, length);

    return 0;
}

static void close_all(int *fds, size_t *fd_count)
{
    for (size_t i = 0; i < *fd_count; i++) {
        close(fds[i]);
        fds[i] = -1;
    }
    *fd_count = 0;
}

/* The kernel may split SCM_RIGHTS over several parts, so every part counts. */
static void collect(struct msghdr *head, int *fds, size_t *fd_count)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part; part = CMSG_NXTHDR(head, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        CL_CHECK(count <= CL_FDPASS_MAX - *fd_count); /* the kernel kept to the room given */
        memcpy(fds + *fd_count, CMSG_DATA(part), sizeof(int) * count);
        *fd_count += count;
    }
}

ssize_t cl_fdpass_recv(int socket, void *bytes, size_t size, int *fds, size_t *fd_count,
                       struct cl_err *err)
{
    union control control;
    struct iovec part = { .iov_base = bytes, .iov_len = size };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes };
    ssize_t got;

    *fd_count = 0;
    for (size_t i = 0; i < CL_FDPASS_MAX; i++)
        fds[i] = -1;

    do {
        head.msg_controllen = sizeof(control.bytes);
        got = recvmsg(socket, &head, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_socket(err, "receive");

    collect(&head, fds, fd_count);
    /* The kernel hands over as many as it finds room for, and says nothing else about the rest. */
    const bool is_crowded = !(head.msg_flags & MSG_TRUNC) && *fd_count < CL_FDPASS_MAX;
    if (is_crowded && (head.msg_flags & MSG_CTRUNC)) {
        close_all(fds, fd_count);
        return cl_fail(err, CL_E_LIMIT, "receive: no descriptor is free");
    }
    if (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        close_all(fds, fd_count);
        return cl_fail(err, CL_E_LOST, "receive: the message was too large");
    }
    if (got == 0)
        close_all(fds, fd_count);

    return got;
}

int cl_fdpass_pair(int type, int pair[2], struct cl_err *err)
{
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0) {
        pair[0] = pair[1] = -1;
        return cl_fail(err, CL_E_SYS, "make a socket pair");
    }
    return 0;
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

int cl_fdpass_check(int fd, int type, struct cl_err *err)
{
    int domain = option(fd, SO_DOMAIN);

    if (domain < 0)
        return cl_fail(err, CL_E_SYS, "descriptor %d is not a socket", fd);
    if (domain != AF_UNIX)
        return cl_fail(err, CL_E_INPUT, "descriptor %d is not a unix socket", fd);
    if (option(fd, SO_TYPE) != type)
        return cl_fail(err, CL_E_INPUT, "descriptor %d is a socket of the wrong type", fd);

    return 0;
}
