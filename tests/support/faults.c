/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the N-th call of a kind fail in one program, and moves the clock of all: preloaded into
 * cloched by tests of faults, and handed on to the API and to the program that is meant. What is
 * to fail stands in a file that the test shares (CLOCHE_FAULTS names it), so that it can be said
 * at any moment and read how far it got. Only calls through libc are seen, which are all of ours.
 * Runs in: cloched with its children until they exec, cloche-api, or the program that is meant; a
 * zygote's workers, too.
 * Trusts: the test.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
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
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum kind { MEMORY = 1, FORK, INTERRUPTED, SHORT, FULL, DESCRIPTORS, REFUSED, BROKEN };

/* Shared with the test; both sides know the layout. */
struct order {
    char program[32];
    uint32_t kind;     /* enum kind */
    uint32_t is_armed; /* counts, and strikes */
    uint64_t at;       /* which call fails, the first is 1 */
    uint64_t seen;     /* calls of the kind since it was armed */
    uint64_t struck;
    uint64_t every;   /* another one after so many more, and so on; 0: that one only */
    int64_t clock_ms; /* the real-time clock is so far ahead, in every program */
    uint32_t
        is_clock_asked; /* no clock is read in user space: on some machines the vDSO can't */
};

static struct order *page;  /* NULL: nobody asked */
static struct order *order; /* NULL: not this program */
/* cloched clears its environment; what it hands on is kept here. */
static char preload[4096], faults[4096];

/* This file is linked against nothing of the tree, and glibc's allocator is asked by its own names:
 * dlsym allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
/* What fortified headers call. */
ssize_t __read_chk(int fd, void *to, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *to, size_t n, size_t room, int flags);

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CLOCHE_FAULTS");
    const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared;

    if (fd < 0)
        return;
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
    snprintf(faults, sizeof(faults), "CLOCHE_FAULTS=%s", path);
    shared = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        return;
    if (strcmp(((struct order *)shared)->program, program_invocation_short_name) == 0)
        order = shared;
    page = shared;
}

static bool is_meant(enum kind kind)
{
    return order && order->is_armed && order->kind == kind;
}

static bool strikes(enum kind kind)
{
    if (!is_meant(kind))
        return false;
    const uint64_t seen = __atomic_add_fetch(&order->seen, 1, __ATOMIC_SEQ_CST);
    if (seen < order->at || (seen > order->at && order->every == 0) ||
        (order->every > 0 && (seen - order->at) % order->every != 0))
        return false;
    __atomic_add_fetch(&order->struck, 1, __ATOMIC_SEQ_CST);
    return true;
}

static bool fails(enum kind kind, int error)
{
    if (!strikes(kind))
        return false;
    errno = error;
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
    return fails(MEMORY, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(MEMORY, ENOMEM) ? NULL : __libc_realloc(old, size);
}

void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) || fails(MEMORY, ENOMEM)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, bytes);
}

/* ------------------------------------------------- calls that fail with an error, or do not */

/* A worker's filter lets nobody ask what a descriptor is. */
static bool is_jailed(void)
{
    return getpid() == 1;
}

static mode_t kind_of(int fd)
{
    struct stat found;

    if (is_jailed())
        return 0;
    return syscall(SYS_fstat, fd, &found) < 0 ? 0 : found.st_mode & S_IFMT;
}

/* The kernel's own: events, timers, signals. Of these a read or write is whole, or there is none. */
static bool is_anonymous(int fd)
{
    return kind_of(fd) == 0;
}

#define FAILS_WITH(FAILED, WHEN, TYPE, NAME, PARAMETERS, ARGUMENTS)                            \
    TYPE NAME PARAMETERS                                                                       \
    {                                                                                          \
        static TYPE(*real) PARAMETERS;                                                         \
                                                                                               \
        if (WHEN)                                                                              \
            return FAILED;                                                                     \
        if (!real)                                                                             \
            *(void **)&real = next(#NAME);                                                     \
        return real ARGUMENTS;                                                                 \
    }
#define FAILING(WHEN, ...) FAILS_WITH(-1, WHEN, __VA_ARGS__)

#define NO_MEMORY   fails(MEMORY, ENOMEM)
#define NO_CHILD    fails(FORK, EAGAIN)
#define INTERRUPT   fails(INTERRUPTED, EINTR)
#define NO_ROOM     fails(FULL, ENOSPC)
#define NO_FD       fails(DESCRIPTORS, EMFILE)
#define NO_RIGHT    fails(REFUSED, EPERM)
#define NO_IO       fails(BROKEN, EIO)
#define NO_TRANSFER (INTERRUPT || (is_meant(BROKEN) && !is_anonymous(fd) && NO_IO))

FAILS_WITH(MAP_FAILED, NO_MEMORY, void *, mmap,
           (void *at, size_t n, int prot, int flags, int fd, off_t from),
           (at, n, prot, flags, fd, from))
FAILING(NO_MEMORY, int, mprotect, (void *at, size_t n, int prot), (at, n, prot))

FAILING(NO_CHILD, pid_t, fork, (void), ())
FAILS_WITH(EAGAIN, NO_CHILD, int, pthread_create,
           (pthread_t *restrict made, const pthread_attr_t *restrict how, void *(*run)(void *),
            void *restrict with),
           (made, how, run, with))

FAILING(INTERRUPT, int, epoll_wait, (int fd, struct epoll_event *events, int most, int timeout),
        (fd, events, most, timeout))
FAILING(INTERRUPT, int, poll, (struct pollfd * fds, nfds_t count, int timeout),
        (fds, count, timeout))
FAILING(INTERRUPT, pid_t, waitpid, (pid_t pid, int *status, int options),
        (pid, status, options))
FAILING(INTERRUPT, int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
        (type, id, info, options))
FAILING(INTERRUPT, int, flock, (int fd, int what), (fd, what))
FAILING(NO_TRANSFER, ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),
        (fd, msg, flags))

FAILING(NO_ROOM, int, mkdir, (const char *path, mode_t mode), (path, mode))
FAILING(NO_ROOM, int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
FAILING(NO_ROOM || NO_IO, int, fsync, (int fd), (fd))
FAILING(NO_ROOM || NO_IO, int, fdatasync, (int fd), (fd))
FAILING(NO_ROOM, int, ftruncate, (int fd, off_t length), (fd, length))
FAILING(NO_ROOM, int, ftruncate64, (int fd, off64_t length), (fd, length))
FAILING(NO_ROOM, int, renameat, (int a, const char *from, int b, const char *to),
        (a, from, b, to))
FAILING(NO_ROOM, int, inotify_add_watch, (int fd, const char *path, uint32_t what),
        (fd, path, what))

FAILING(NO_FD, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAILING(NO_FD, int, socketpair, (int domain, int type, int protocol, int fds[2]),
        (domain, type, protocol, fds))
FAILING(NO_FD, int, epoll_create1, (int flags), (flags))
FAILING(NO_FD, int, pipe2, (int fds[2], int flags), (fds, flags))
FAILING(NO_FD, int, timerfd_create, (clockid_t clock, int flags), (clock, flags))
FAILING(NO_FD, int, eventfd, (unsigned count, int flags), (count, flags))
FAILING(NO_FD, int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
FAILING(NO_FD, int, inotify_init1, (int flags), (flags))
FAILING(NO_FD, int, dup, (int fd), (fd))
FAILING(NO_FD, int, memfd_create, (const char *name, unsigned flags), (name, flags))
FAILING(NO_FD, int, fsopen, (const char *name, unsigned flags), (name, flags))
FAILING(NO_FD, int, open_tree, (int at, const char *path, unsigned flags), (at, path, flags))
FAILS_WITH(NULL, NO_FD, FILE *, fopen, (const char *path, const char *mode), (path, mode))
FAILS_WITH(NULL, NO_FD, DIR *, opendir, (const char *path), (path))
FAILS_WITH(NULL, NO_MEMORY, DIR *, fdopendir, (int fd), (fd))

FAILING(NO_RIGHT, int, unshare, (int flags), (flags))
FAILING(NO_RIGHT, int, setresuid, (uid_t a, uid_t b, uid_t c), (a, b, c))
FAILING(NO_RIGHT, int, setresgid, (gid_t a, gid_t b, gid_t c), (a, b, c))
FAILING(NO_RIGHT, int, setgroups, (size_t count, const gid_t *groups), (count, groups))
FAILING(NO_RIGHT, int, close_range, (unsigned from, unsigned to, int flags), (from, to, flags))
FAILING(NO_RIGHT, int, fchownat, (int at, const char *path, uid_t uid, gid_t gid, int flags),
        (at, path, uid, gid, flags))
FAILING(NO_RIGHT, int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
FAILING(NO_RIGHT, int, fchmod, (int fd, mode_t mode), (fd, mode))
FAILING(NO_RIGHT, int, kill, (pid_t pid, int signal), (pid, signal))
FAILING(NO_RIGHT, int, unlinkat, (int at, const char *path, int flags), (at, path, flags))
FAILING(NO_RIGHT, int, dup2, (int from, int to), (from, to))
FAILING(NO_RIGHT, int, capset, (cap_user_header_t head, cap_user_data_t sets), (head, sets))
FAILING(NO_RIGHT, int, cap_set_proc, (cap_t held), (held))
FAILING(NO_RIGHT, int, cap_iab_set_proc, (cap_iab_t held), (held))
FAILING(NO_RIGHT, int, epoll_ctl, (int fd, int what, int of, struct epoll_event *event),
        (fd, what, of, event))
FAILING(NO_RIGHT, int, timerfd_settime,
        (int fd, int flags, const struct itimerspec *to, struct itimerspec *old),
        (fd, flags, to, old))
FAILING(NO_RIGHT, int, setrlimit, (__rlimit_resource_t what, const struct rlimit *to),
        (what, to))
FAILING(NO_RIGHT, int, chdir, (const char *path), (path))
FAILING(NO_RIGHT, int, fchdir, (int fd), (fd))
FAILING(NO_RIGHT, int, sethostname, (const char *name, size_t length), (name, length))
FAILING(NO_RIGHT, int, mount,
        (const char *from, const char *at, const char *kind, unsigned long flags,
         const void *with),
        (from, at, kind, flags, with))
FAILING(NO_RIGHT, int, umount2, (const char *at, int flags), (at, flags))
FAILING(NO_RIGHT, int, fsconfig,
        (int fd, unsigned what, const char *key, const void *value, int more),
        (fd, what, key, value, more))
FAILING(NO_RIGHT, int, fsmount, (int fd, unsigned flags, unsigned attributes),
        (fd, flags, attributes))
FAILING(NO_RIGHT, int, move_mount,
        (int a, const char *from, int b, const char *to, unsigned flags),
        (a, from, b, to, flags))
FAILING(NO_RIGHT, int, mount_setattr,
        (int at, const char *path, unsigned flags, struct mount_attr *to, size_t size),
        (at, path, flags, to, size))
FAILING(NO_RIGHT, int, sigprocmask, (int how, const sigset_t *to, sigset_t *old),
        (how, to, old))
FAILING(NO_IO, int, fstat, (int fd, struct stat *found), (fd, found))
FAILING(NO_IO, int, fstatat, (int at, const char *path, struct stat *found, int flags),
        (at, path, found, flags))
FAILING(NO_IO, int, bind, (int fd, __CONST_SOCKADDR_ARG at, socklen_t length), (fd, at, length))
FAILING(NO_IO, int, listen, (int fd, int most), (fd, most))
FAILING(NO_IO, int, getsockname, (int fd, __SOCKADDR_ARG at, socklen_t *restrict length),
        (fd, at, length))
FAILING(NO_IO, int, getsockopt,
        (int fd, int level, int what, void *restrict to, socklen_t *restrict n),
        (fd, level, what, to, n))
FAILING(NO_IO, int, setsockopt, (int fd, int level, int what, const void *to, socklen_t n),
        (fd, level, what, to, n))
FAILING(INTERRUPT || NO_FD, int, accept4,
        (int fd, __SOCKADDR_ARG from, socklen_t *restrict length, int flags),
        (fd, from, length, flags))

/* ------------------------------------------------------------------------------- transfers */

/* A socket that keeps messages whole never gives or takes a part of one. */
static bool takes_parts(int fd)
{
    static int (*real)(int, int, int, void *, socklen_t *);
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    if (is_jailed())
        return false;
    if (!real)
        *(void **)&real = next("getsockopt");
    if (real(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return errno == ENOTSOCK && !is_anonymous(fd);
    return type == SOCK_STREAM;
}

static size_t shortened(int fd, size_t length)
{
    return length > 1 && is_meant(SHORT) && takes_parts(fd) && strikes(SHORT) ? length / 2
                                                                              : length;
}

static int fewer(int fd, int count)
{
    return count > 1 && is_meant(SHORT) && takes_parts(fd) && strikes(SHORT) ? 1 : count;
}

#define READING(NAME, PARAMETERS, ARGUMENTS)                                                   \
    FAILING(NO_TRANSFER, ssize_t, NAME, PARAMETERS, ARGUMENTS)

READING(read, (int fd, void *to, size_t n), (fd, to, shortened(fd, n)))
READING(__read_chk, (int fd, void *to, size_t n, size_t room), (fd, to, shortened(fd, n), room))
READING(recv, (int fd, void *to, size_t n, int flags), (fd, to, shortened(fd, n), flags))
READING(__recv_chk, (int fd, void *to, size_t n, size_t room, int flags),
        (fd, to, shortened(fd, n), room, flags))
READING(pread, (int fd, void *to, size_t n, off_t at), (fd, to, shortened(fd, n), at))
READING(pread64, (int fd, void *to, size_t n, off64_t at), (fd, to, shortened(fd, n), at))
READING(readv, (int fd, const struct iovec *to, int count), (fd, to, fewer(fd, count)))

#define WRITING(NAME, PARAMETERS, ARGUMENTS)                                                   \
    FAILING(NO_TRANSFER || (is_meant(FULL) && kind_of(fd) == S_IFREG && NO_ROOM), ssize_t,     \
            NAME, PARAMETERS, ARGUMENTS)

WRITING(write, (int fd, const void *from, size_t n), (fd, from, shortened(fd, n)))
WRITING(writev, (int fd, const struct iovec *from, int count), (fd, from, fewer(fd, count)))
WRITING(pwrite, (int fd, const void *from, size_t n, off_t at),
        (fd, from, shortened(fd, n), at))
WRITING(pwrite64, (int fd, const void *from, size_t n, off64_t at),
        (fd, from, shortened(fd, n), at))
FAILING(NO_TRANSFER, ssize_t, send, (int fd, const void *from, size_t n, int flags),
        (fd, from, shortened(fd, n), flags))

/* As the kernel does when the receiver has no descriptor left: the message comes without them. */
static void lose_descriptors(struct msghdr *msg)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(msg);

    if (!head || head->cmsg_type != SCM_RIGHTS || !strikes(DESCRIPTORS))
        return;
    const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
        close(fd);
    }
    msg->msg_controllen = 0;
    msg->msg_flags |= MSG_CTRUNC;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    static ssize_t (*real)(int, struct msghdr *, int);

    if (NO_TRANSFER)
        return -1;
    if (!real)
        *(void **)&real = next("recvmsg");
    const ssize_t got = real(fd, msg, flags);
    if (got >= 0 && msg->msg_controllen > 0)
        lose_descriptors(msg);
    return got;
}

/* ----------------------------------------------------------------------------- opened files */

static int opened(int at, const char *path, int flags, mode_t mode)
{
    static int (*real)(int, const char *, int, ...);

    if (!real)
        *(void **)&real = next("openat");
    if (NO_FD || ((flags & O_CREAT) && NO_ROOM))
        return -1;
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

/* ------------------------------------------------------------------- calls of many arguments */

enum { WORDS = 6 };

static void take_words(unsigned long *words, size_t count, va_list rest)
{
    for (size_t i = 0; i < count; i++)
        words[i] = va_arg(rest, unsigned long);
}

int prctl(int option, ...)
{
    static int (*real)(int, ...);
    unsigned long with[4];
    va_list rest;

    va_start(rest, option);
    take_words(with, 4, rest);
    va_end(rest);
    if (!real)
        *(void **)&real = next("prctl");
    /* No kernel refuses a name, and the tests know a worker by its own. */
    if (option != PR_SET_NAME && NO_RIGHT)
        return -1;
    return real(option, with[0], with[1], with[2], with[3]);
}

int fcntl(int fd, int what, ...)
{
    static int (*real)(int, int, ...);
    unsigned long with[1];
    va_list rest;

    va_start(rest, what);
    take_words(with, 1, rest);
    va_end(rest);
    if (!real)
        *(void **)&real = next("fcntl");
    if ((what == F_DUPFD || what == F_DUPFD_CLOEXEC) ? NO_FD : NO_RIGHT)
        return -1;
    return real(fd, what, with[0]);
}

/* The raw calls that have no function, by what may go wrong with them. */
static bool fails_raw(long number)
{
    switch (number) {
    case SYS_clone3:
        return NO_CHILD;
    case SYS_openat2:
    case SYS_pidfd_open:
        return NO_FD;
    case SYS_waitid:
        return INTERRUPT;
    case SYS_seccomp:
    case SYS_landlock_create_ruleset:
    case SYS_landlock_add_rule:
    case SYS_landlock_restrict_self:
    case SYS_pivot_root:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_capset:
    case SYS_keyctl:
        return NO_RIGHT;
    default:
        return false;
    }
}

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    unsigned long with[WORDS];
    va_list rest;

    va_start(rest, number);
    take_words(with, WORDS, rest);
    va_end(rest);
    if (!real)
        *(void **)&real = next("syscall");
    return fails_raw(number)
               ? -1
               : real(number, with[0], with[1], with[2], with[3], with[4], with[5]);
}

/* ------------------------------------------------------------------------------- the clock */

static int64_t ahead_ms(void)
{
    return page ? __atomic_load_n(&page->clock_ms, __ATOMIC_RELAXED) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);

    if (!real)
        *(void **)&real = next("clock_gettime");
    const int got = page && page->is_clock_asked ? (int)syscall(SYS_clock_gettime, clock, now)
                                                 : real(clock, now);
    if (got == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        const int64_t ns = now->tv_nsec + ahead_ms() % 1000 * 1000000;
        now->tv_sec += ahead_ms() / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        now->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    }
    return got;
}

time_t time(time_t *to)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *to = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}

/* ------------------------------------------------------------------------------ the way on */

/* The API, and the program that is meant, get the same companion; nothing else does. */
static bool is_handed_on(const char *name)
{
    return page && (strcmp(name, "cloche-api") == 0 || strcmp(name, page->program) == 0);
}

int execveat(int at, const char *path, char *const arguments[], char *const environment[],
             int flags)
{
    static int (*real)(int, const char *, char *const[], char *const[], int);
    char *more[16] = { preload, faults };
    size_t count = 2;

    if (!real)
        *(void **)&real = next("execveat");
    if (NO_RIGHT)
        return -1;
    if (!is_handed_on(arguments[0]))
        return real(at, path, arguments, environment, flags);
    for (size_t i = 0; environment[i] && count < 15; i++)
        more[count++] = environment[i];
    return real(at, path, arguments, more, flags);
}
