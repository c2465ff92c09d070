/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors over sockets: what arrives is owned, what must not arrive is closed.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

static int ends[2];
static int fds[CL_FDPASS_MAX];
static size_t fd_count;
static char room[64];
static int interruptions;

ssize_t __real_sendmsg(int socket, const struct msghdr *head, int flags);
ssize_t __real_recvmsg(int socket, struct msghdr *head, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *head, int flags);
ssize_t __wrap_recvmsg(int socket, struct msghdr *head, int flags);

static bool is_interrupted(void)
{
    if (interruptions == 0)
        return false;
    interruptions--;
    errno = EINTR;
    return true;
}

ssize_t __wrap_sendmsg(int socket, const struct msghdr *head, int flags)
{
    return is_interrupted() ? -1 : __real_sendmsg(socket, head, flags);
}

ssize_t __wrap_recvmsg(int socket, struct msghdr *head, int flags)
{
    return is_interrupted() ? -1 : __real_recvmsg(socket, head, flags);
}

static int open_pair(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    interruptions = 0;
    memset(room, 0, sizeof(room));
    return cl_fdpass_pair(SOCK_SEQPACKET, ends, &err);
}

static int close_pair(void **state)
{
    (void)state;
    cl_own_close(&ends[0]);
    cl_own_close(&ends[1]);
    return 0;
}

static int open_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static ssize_t receive(struct cl_err *err)
{
    return cl_fdpass_recv(ends[1], room, sizeof(room), fds, &fd_count, err);
}

static void message_without_fds_arrives_whole(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_fdpass_send(ends[0], "one", 3, NULL, 0, &err), &err);
    assert_works(cl_fdpass_send(ends[0], "three", 5, NULL, 0, &err), &err);
    assert_int_equal(receive(&err), 3);
    assert_string_equal(room, "one");
    assert_int_equal(fd_count, 0);
    assert_int_equal(receive(&err), 5);
    for (size_t i = 0; i < CL_FDPASS_MAX; i++)
        assert_int_equal(fds[i], -1);
}

static void as_many_fds_as_fit_arrive_open_and_cloexec(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int sent[CL_FDPASS_MAX];

    (void)state;
    int before = open_fds();
    for (size_t i = 0; i < CL_FDPASS_MAX; i++)
        sent[i] = ends[0];
    assert_works(cl_fdpass_send(ends[0], "x", 1, sent, CL_FDPASS_MAX, &err), &err);
    assert_int_equal(receive(&err), 1);
    assert_int_equal(fd_count, CL_FDPASS_MAX);
    for (size_t i = 0; i < fd_count; i++) {
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        close(fds[i]);
    }
    assert_int_equal(open_fds(), before);
}

/* Sends more than our own sender would. */
static void send_many(size_t count, size_t length)
{
    char bytes[256] = { 0 };
    char control[CMSG_SPACE(sizeof(int) * 32)] = { 0 };
    struct iovec part = { bytes, length };
    struct msghdr head = { .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
    struct cmsghdr *rights = CMSG_FIRSTHDR(&head);

    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(rights) + i * sizeof(int), &ends[0], sizeof(int));
    assert_int_equal(sendmsg(ends[0], &head, 0), length);
}

static void too_many_fds_are_lost_and_closed(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    int before = open_fds();
    send_many(CL_FDPASS_MAX + 1, 1);
    assert_fails(receive(&err), &err, CL_E_LOST);
    send_many(32, 1);
    assert_fails(receive(&err), &err, CL_E_LOST);
    assert_int_equal(fd_count, 0);
    assert_int_equal(fds[0], -1);
    assert_int_equal(open_fds(), before);
}

static void fds_without_room_are_a_limit_and_closed(void **state)
{
    const int sent[] = { ends[0], ends[1] };
    struct rlimit before, few;
    struct cl_err err = CL_ERR_INIT;
    int top = dup(ends[0]);

    (void)state;
    close(top);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int spare = 0; spare < 2; spare++) {
        assert_works(cl_fdpass_send(ends[0], "x", 1, sent, 2, &err), &err);
        few = (struct rlimit){ (rlim_t)(top + spare), before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        const ssize_t got = receive(&err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_fails((int)got, &err, CL_E_LIMIT);
        assert_int_equal(fd_count, 0);
        assert_int_equal(fds[0], -1);
        assert_int_equal(fcntl(top, F_GETFD), -1);
    }
}

static void too_long_message_is_lost_and_its_fds_closed(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    int before = open_fds();
    send_many(2, sizeof(room) + 1);
    assert_fails(receive(&err), &err, CL_E_LOST);
    assert_int_equal(open_fds(), before);
    send_many(1, sizeof(room));
    assert_int_equal(receive(&err), sizeof(room));
    assert_int_equal(fd_count, 1);
    close(fds[0]);
}

static void fds_of_an_empty_message_are_closed(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    int before = open_fds();
    send_many(2, 0);
    assert_int_equal(receive(&err), 0);
    assert_int_equal(fd_count, 0);
    assert_int_equal(open_fds(), before);
}

static void other_control_parts_are_no_fds(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int yes = 1;

    (void)state;
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
    assert_works(cl_fdpass_send(ends[0], "x", 1, NULL, 0, &err), &err);
    assert_int_equal(receive(&err), 1);
    assert_int_equal(fd_count, 0);
}

static void empty_socket_is_busy(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    set_nonblocking(ends[1]);
    assert_fails(receive(&err), &err, CL_E_BUSY);
    assert_int_equal(fds[0], -1);
}

static void full_socket_is_busy(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int sent = 0;

    (void)state;
    set_nonblocking(ends[0]);
    while (sent < 100000 && cl_fdpass_send(ends[0], room, sizeof(room), NULL, 0, &err) == 0)
        sent++;
    assert_int_equal(err.kind, CL_E_BUSY);
    assert_true(sent > 0);
}

static void closed_peer_is_zero_to_a_reader_and_lost_to_a_writer(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_own_close(&ends[0]);
    assert_int_equal(receive(&err), 0);
    assert_fails(cl_fdpass_send(ends[1], "x", 1, NULL, 0, &err), &err, CL_E_LOST);
}

static void peer_that_left_unread_bytes_is_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_fdpass_send(ends[1], "x", 1, NULL, 0, &err), &err);
    cl_own_close(&ends[0]);
    assert_fails(receive(&err), &err, CL_E_LOST);
}

static void interrupted_calls_go_on(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    interruptions = 2;
    assert_works(cl_fdpass_send(ends[0], "x", 1, &ends[0], 1, &err), &err);
    interruptions = 2;
    assert_int_equal(receive(&err), 1);
    assert_int_equal(fd_count, 1);
    close(fds[0]);
}

static void stream_that_takes_only_a_part_is_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    size_t size = 8 << 20;
    cl_free_auto char *bytes = calloc(1, size);
    int streams[2];

    (void)state;
    assert_non_null(bytes);
    assert_works(cl_fdpass_pair(SOCK_STREAM, streams, &err), &err);
    set_nonblocking(streams[0]);
    assert_fails(cl_fdpass_send(streams[0], bytes, size, NULL, 0, &err), &err, CL_E_LOST);
    close(streams[0]);
    close(streams[1]);
}

static void what_is_no_socket_fails_sys(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(cl_fdpass_send(-1, "x", 1, NULL, 0, &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, EBADF);
    assert_fails(cl_fdpass_recv(-1, room, sizeof(room), fds, &fd_count, &err), &err, CL_E_SYS);
}

static void pair_is_cloexec_or_minus_one(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int pair[2] = { 5, 5 };

    (void)state;
    assert_int_equal(fcntl(ends[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    assert_fails(cl_fdpass_pair(77, pair, &err), &err, CL_E_SYS);
    assert_int_equal(pair[0], -1);
    assert_int_equal(pair[1], -1);
}

static void check_takes_only_a_unix_socket_of_the_type(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int null = -1;
    cl_close_auto int inet = -1;

    (void)state;
    assert_works(cl_fdpass_check(ends[0], SOCK_SEQPACKET, &err), &err);
    assert_fails(cl_fdpass_check(ends[0], SOCK_STREAM, &err), &err, CL_E_INPUT);
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_fails(cl_fdpass_check(null, SOCK_STREAM, &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOTSOCK);
    inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_fails(cl_fdpass_check(inet, SOCK_STREAM, &err), &err, CL_E_INPUT);
}

#define pair_test(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        pair_test(message_without_fds_arrives_whole),
        pair_test(as_many_fds_as_fit_arrive_open_and_cloexec),
        pair_test(too_many_fds_are_lost_and_closed),
        pair_test(fds_without_room_are_a_limit_and_closed),
        pair_test(too_long_message_is_lost_and_its_fds_closed),
        pair_test(fds_of_an_empty_message_are_closed),
        pair_test(other_control_parts_are_no_fds),
        pair_test(empty_socket_is_busy),
        pair_test(full_socket_is_busy),
        pair_test(closed_peer_is_zero_to_a_reader_and_lost_to_a_writer),
        pair_test(peer_that_left_unread_bytes_is_lost),
        pair_test(interrupted_calls_go_on),
        pair_test(stream_that_takes_only_a_part_is_lost),
        pair_test(what_is_no_socket_fails_sys),
        pair_test(pair_is_cloexec_or_minus_one),
        pair_test(check_takes_only_a_unix_socket_of_the_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
