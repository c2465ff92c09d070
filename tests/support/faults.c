/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the N-th call of a kind fail, in one program: preloaded into cloched by
 * tests/integration/test_fault_sweep.py, and handed on to the API. What is to fail stands in a
 * file that the test shares (CLOCHE_FAULTS names it), so that it can be said at any moment and
 * read how far it got. Only calls through libc are seen, which are all of ours.
 * Runs in: cloched with its children until they exec, or cloche-api.
 * Trusts: the test.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { MEMORY = 1, FORK, INTERRUPTED, SHORT, FULL, DESCRIPTORS, REFUSED, KIND_COUNT };

/* Shared with the test; both sides know the layout. */
struct order {
    char program[32];
    uint32_t kind;     /* enum kind */
    uint32_t is_armed; /* counts, and strikes */
    uint64_t at;       /* which call fails, the first is 1 */
    uint64_t seen;     /* calls of the kind since it was armed */
    uint64_t struck;
};

static struct order *order; /* NULL: not this program */
/* cloched clears its environment; what it hands on is kept here. */
static char preload[4096], faults[4096];

/* This file is linked against nothing of the tree, and glibc's allocator is asked by its own names:
 * dlsym allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CLOCHE_FAULTS");
    const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared;

    if (fd < 0)
        return;
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
    snprintf(faults, sizeof(faults), "CLOCHE_FAULTS=%s", path);
    shared = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        return;
    if (strcmp(((struct order *)shared)->program, program_invocation_short_name) == 0)
        order = shared;
    else
        munmap(shared, sizeof(*order));
}

static bool strikes(enum kind kind)
{
    if (!order || !order->is_armed || order->kind != kind)
        return false;
    if (__atomic_add_fetch(&order->seen, 1, __ATOMIC_SEQ_CST) != order->at)
        return false;
    __atomic_add_fetch(&order->struck, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    return found;
}

/* ---------------------------------------------------------------------------------- memory */

void *malloc(size_t size)
{
    if (strikes(MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (strikes(MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    if (strikes(MEMORY)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, size);
}

/* ----------------------------------------------------------- calls that fail with one error */

/* A function of the same shape as libc's, which fails when the order says so. */
#define FAILING(KIND, ERRNO, TYPE, NAME, PARAMETERS, ARGUMENTS)                                \
    TYPE NAME PARAMETERS                                                                       \
    {                                                                                          \
        static TYPE(*real) PARAMETERS;                                                         \
                                                                                               \
        if (strikes(KIND)) {                                                                   \
            errno = ERRNO;                                                                     \
            return -1;                                                                         \
        }                                                                                      \
        if (!real)                                                                             \
            *(void **)&real = next(#NAME);                                                     \
        return real ARGUMENTS;                                                                 \
    }

FAILING(FORK, EAGAIN, pid_t, fork, (void), ())

FAILING(INTERRUPTED, EINTR, ssize_t, read, (int fd, void *to, size_t n), (fd, to, n))
FAILING(INTERRUPTED, EINTR, ssize_t, recv, (int fd, void *to, size_t n, int flags),
        (fd, to, n, flags))
FAILING(INTERRUPTED, EINTR, ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),
        (fd, msg, flags))
FAILING(INTERRUPTED, EINTR, ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
        (fd, msg, flags))
FAILING(INTERRUPTED, EINTR, int, epoll_wait,
        (int fd, struct epoll_event *events, int most, int timeout),
        (fd, events, most, timeout))
FAILING(INTERRUPTED, EINTR, int, poll, (struct pollfd * fds, nfds_t count, int timeout),
        (fds, count, timeout))
FAILING(INTERRUPTED, EINTR, pid_t, waitpid, (pid_t pid, int *status, int options),
        (pid, status, options))
FAILING(INTERRUPTED, EINTR, int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
        (type, id, info, options))

FAILING(FULL, ENOSPC, ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at),
        (fd, from, n, at))
FAILING(FULL, ENOSPC, ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at),
        (fd, from, n, at))
FAILING(FULL, ENOSPC, int, mkdir, (const char *path, mode_t mode), (path, mode))
FAILING(FULL, ENOSPC, int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
FAILING(FULL, ENOSPC, int, fsync, (int fd), (fd))
FAILING(FULL, ENOSPC, int, fdatasync, (int fd), (fd))
FAILING(FULL, ENOSPC, int, ftruncate, (int fd, off_t length), (fd, length))
FAILING(FULL, ENOSPC, int, ftruncate64, (int fd, off64_t length), (fd, length))
FAILING(FULL, ENOSPC, int, renameat, (int a, const char *from, int b, const char *to),
        (a, from, b, to))

FAILING(DESCRIPTORS, EMFILE, int, socket, (int domain, int type, int protocol),
        (domain, type, protocol))
FAILING(DESCRIPTORS, EMFILE, int, socketpair, (int domain, int type, int protocol, int fds[2]),
        (domain, type, protocol, fds))
FAILING(DESCRIPTORS, EMFILE, int, epoll_create1, (int flags), (flags))
FAILING(DESCRIPTORS, EMFILE, int, pipe2, (int fds[2], int flags), (fds, flags))
FAILING(DESCRIPTORS, EMFILE, int, timerfd_create, (clockid_t clock, int flags), (clock, flags))
FAILING(DESCRIPTORS, EMFILE, int, eventfd, (unsigned count, int flags), (count, flags))
FAILING(DESCRIPTORS, EMFILE, int, inotify_init1, (int flags), (flags))
FAILING(DESCRIPTORS, EMFILE, int, dup, (int fd), (fd))

FAILING(REFUSED, EPERM, int, unshare, (int flags), (flags))
FAILING(REFUSED, EPERM, int, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
FAILING(REFUSED, EPERM, int, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
FAILING(REFUSED, EPERM, int, setgroups, (size_t count, const gid_t *groups), (count, groups))
FAILING(REFUSED, EPERM, int, close_range, (unsigned from, unsigned to, int flags),
        (from, to, flags))
FAILING(REFUSED, EPERM, int, fchownat,
        (int at, const char *path, uid_t uid, gid_t gid, int flags),
        (at, path, uid, gid, flags))
FAILING(REFUSED, EPERM, int, kill, (pid_t pid, int signal), (pid, signal))
FAILING(REFUSED, EPERM, int, unlinkat, (int at, const char *path, int flags), (at, path, flags))
FAILING(REFUSED, EPERM, int, dup2, (int from, int to), (from, to))
FAILING(REFUSED, EPERM, int, cap_set_proc, (cap_t held), (held))
FAILING(REFUSED, EPERM, int, cap_drop_bound, (cap_value_t cap), (cap))
FAILING(REFUSED, EPERM, int, epoll_ctl, (int fd, int what, int of, struct epoll_event *event),
        (fd, what, of, event))

/* --------------------------------------------------------------- calls with a shape of their own */

static int opened(int at, const char *path, int flags, mode_t mode)
{
    static int (*real)(int, const char *, int, ...);

    if (!real)
        *(void **)&real = next("openat");
    if (strikes(DESCRIPTORS)) {
        errno = EMFILE;
        return -1;
    }
    if ((flags & O_CREAT) && strikes(FULL)) {
        errno = ENOSPC;
        return -1;
    }
    return real(at, path, flags, mode);
}

static mode_t mode_of(int flags, va_list rest)
{
    return (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, rest);
    va_end(rest);
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = mode_of(flags, rest);
    va_end(rest);
    return opened(at, path, flags, mode);
}

/* As the header has it: any kind of address. */
int accept4(int fd, __SOCKADDR_ARG from, socklen_t *restrict length, int flags)
{
    static __typeof__(accept4) *real;

    if (strikes(DESCRIPTORS)) {
        errno = EMFILE;
        return -1;
    }
    if (!real)
        *(void **)&real = next("accept4");
    return real(fd, from, length, flags);
}

/* A socket that keeps messages whole never takes a part of one. */
static bool takes_parts(int fd)
{
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return errno == ENOTSOCK;
    return type == SOCK_STREAM;
}

static size_t shortened(int fd, size_t length)
{
    return length > 1 && takes_parts(fd) && strikes(SHORT) ? length / 2 : length;
}

static bool fails_to_write(void)
{
    if (strikes(INTERRUPTED)) {
        errno = EINTR;
        return true;
    }
    if (strikes(FULL)) {
        errno = ENOSPC;
        return true;
    }
    return false;
}

ssize_t write(int fd, const void *from, size_t length)
{
    static ssize_t (*real)(int, const void *, size_t);

    if (!real)
        *(void **)&real = next("write");
    return fails_to_write() ? -1 : real(fd, from, shortened(fd, length));
}

ssize_t send(int fd, const void *from, size_t length, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);

    if (!real)
        *(void **)&real = next("send");
    if (strikes(INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    return real(fd, from, shortened(fd, length), flags);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    const bool is_short = count > 1 && takes_parts(fd) && strikes(SHORT);

    if (!real)
        *(void **)&real = next("writev");
    return fails_to_write() ? -1 : real(fd, parts, is_short ? 1 : count);
}

int prctl(int option, ...)
{
    static int (*real)(int, ...);
    unsigned long with[4];
    va_list rest;

    va_start(rest, option);
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
        with[i] = va_arg(rest, unsigned long);
    va_end(rest);
    if (!real)
        *(void **)&real = next("prctl");
    if (strikes(REFUSED)) {
        errno = EPERM;
        return -1;
    }
    return real(option, with[0], with[1], with[2], with[3]);
}

/* The API gets the same companion; nothing else does, the jails least of all. */
int execveat(int at, const char *path, char *const arguments[], char *const environment[],
             int flags)
{
    static int (*real)(int, const char *, char *const[], char *const[], int);
    char *more[16] = { preload, faults };
    size_t count = 2;

    if (!real)
        *(void **)&real = next("execveat");
    if (strikes(REFUSED)) {
        errno = EPERM;
        return -1;
    }
    if (!faults[0] || !strstr(arguments[0], "cloche-api"))
        return real(at, path, arguments, environment, flags);
    for (size_t i = 0; environment[i] && count < 15; i++)
        more[count++] = environment[i];
    return real(at, path, arguments, more, flags);
}
