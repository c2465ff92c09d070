/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the process plain and opens what it keeps for its whole life.
 * Runs in: cloched, before its loop.
 * Trusts: the command line; root's file system.
 */
#include "sandbox/state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { TOKEN_BYTES = 32, BACKLOG = 1024, LOCK_RETRY_MS = 20, LOCK_WAIT_MS = 4000 };

static char notify_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

static int open_null(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return fd < 0 ? -1 : 0;
}

static int set_limits(struct cl_err *err)
{
    const struct rlimit none = { 0, 0 };
    struct rlimit files;

    if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return cl_fail(err, CL_E_SYS, "resource limits");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return cl_fail(err, CL_E_SYS, "raise the number of descriptors");
    return 0;
}

int cl_state_process(struct cl_err *err)
{
    const char *notify = getenv("NOTIFY_SOCKET");

    if (geteuid() != 0)
        return cl_fail(err, CL_E_DENIED, "cloched has to be started as root");
    if (notify && (*notify == '/' || *notify == '@') && strlen(notify) < sizeof(notify_path))
        memcpy(notify_path, notify, strlen(notify));
    clearenv();
    umask(077);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* an inherited SIG_IGN of SIGCHLD would lose exit statuses */
    signal(SIGPIPE, SIG_IGN);    /* a log reader that went away is no reason to die */
    if (open_null() < 0 || close_range(STDERR_FILENO + 1, ~0u, 0) < 0)
        return cl_fail(err, CL_E_SYS, "set up descriptors");
    if (setgroups(0, NULL) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "make the process plain");
    return set_limits(err);
}

/* FNV-1a: short names for cgroups, no secret. */
static void name_instance(struct cl_state *state, const char *path)
{
    uint32_t hash = 2166136261u;

    for (const char *at = path; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    snprintf(state->instance, sizeof(state->instance), "%08x", hash);
}

static int make_token(int dir, struct cl_err *err)
{
    uint8_t bytes[TOKEN_BYTES];
    char text[4 + 2 * TOKEN_BYTES + 2] = "clt_";
    cl_close_auto int fd = -1;

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return cl_fail(err, CL_E_SYS, "getrandom");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(text + 4 + 2 * i, 3, "%02x", bytes[i]);
    strcat(text, "\n");

    fd = openat(dir, "local.token.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0 || cl_file_write_all(fd, text, strlen(text), err) < 0 || fsync(fd) < 0 ||
        renameat(dir, "local.token.new", dir, "local.token") < 0 || fsync(dir) < 0)
        return cl_fail(err, CL_E_SYS, "the state directory is not writable: write local.token");
    return 0;
}

static int open_token(struct cl_state *state, struct cl_err *err)
{
    const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    struct stat found;

    if (faccessat(state->dir, "local.token", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        make_token(state->dir, err) < 0)
        return -1;
    state->token = openat(state->dir, "local.token", flags);
    if (state->token < 0 || fstat(state->token, &found) < 0)
        return cl_fail(err, CL_E_SYS, "open local.token in the state directory");
    if (!S_ISREG(found.st_mode) || found.st_uid != 0 || (found.st_mode & 077))
        return cl_fail(err, CL_E_DENIED, "local.token has to be a file of root with mode 0600");
    return 0;
}

/* A dead predecessor's sweeper holds the lock until its cgroups, which have our name, are gone. */
static int take_lock(int lock)
{
    for (int waited_ms = 0; flock(lock, LOCK_EX | LOCK_NB) < 0; waited_ms += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS)
            return -1;
        poll(NULL, 0, LOCK_RETRY_MS);
    }
    return 0;
}

int cl_state_open(struct cl_state *state, const char *path, struct cl_err *err)
{
    cl_free_auto char *full = NULL;
    struct stat found;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return cl_fail(err, CL_E_SYS, "cannot make the state directory %s", path);
    full = realpath(path, NULL);
    state->dir = full ? cl_file_dir(AT_FDCWD, full, 0, err) : -1;
    if (state->dir < 0 || fstat(state->dir, &found) < 0)
        return cl_fail(err, CL_E_SYS, "open the state directory %s", path);
    if (found.st_uid != 0 || (found.st_mode & 022))
        return cl_fail(err, CL_E_DENIED,
                       "the state directory %s has to be root's and writable by nobody else",
                       path);
    name_instance(state, full);

    state->lock = openat(state->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->lock < 0)
        return cl_fail(err, CL_E_SYS, "the state directory %s is not writable", path);
    if (take_lock(state->lock) < 0)
        return cl_fail(err, CL_E_BUSY, "another cloched is running on %s", path);
    if (open_token(state, err) < 0)
        return -1;
    return chdir("/") < 0 ? cl_fail(err, CL_E_SYS, "chdir /") : 0;
}

/* "127.0.0.1:8420" or "[::1]:8420" -> two strings. */
static int split_address(const char *text, char host[64], char port[8], struct cl_err *err)
{
    int end = 0;

    if ((sscanf(text, "%63[^][:]:%5[0-9]%n", host, port, &end) != 2 &&
         sscanf(text, "[%63[^]]]:%5[0-9]%n", host, port, &end) != 2) ||
        text[end] != '\0' || atoi(port) > 65535)
        return cl_fail(err, CL_E_INPUT,
                       "--listen %s: an address like 127.0.0.1:8420 or "
                       "[::1]:8420 is wanted",
                       text);
    return 0;
}

static void name_address(struct cl_state *state)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";

    getsockname(state->listener, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(state->address, sizeof(state->address),
             bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void free_found(struct addrinfo **found)
{
    if (*found)
        freeaddrinfo(*found);
}

int cl_state_listen(struct cl_state *state, const char *address, struct cl_err *err)
{
    const struct addrinfo wanted = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
        .ai_socktype = SOCK_STREAM,
    };
    CL_AUTO(free_found) struct addrinfo *found = NULL;
    char host[64], port[8];
    const int one = 1;

    if (split_address(address, host, port, err) < 0)
        return -1;
    int failed = getaddrinfo(host, port, &wanted, &found);
    if (failed != 0)
        return cl_fail(err, CL_E_INPUT, "--listen %s: %s", address, gai_strerror(failed));

    state->listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (state->listener < 0)
        return cl_fail(err, CL_E_SYS, "--listen %s: make a socket", address);
    if (setsockopt(state->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(state->listener, found->ai_addr, found->ai_addrlen) < 0 ||
        listen(state->listener, BACKLOG) < 0)
        return cl_fail(err, CL_E_SYS,
                       errno == EADDRINUSE ? "%s is in use by another program"
                                           : "cannot listen on %s",
                       address);
    name_address(state);
    return 0;
}

int cl_state_confine(struct cl_err *err)
{
    static const cap_value_t kept[] = {
        CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_NET_ADMIN, CAP_CHOWN,
    };
    /* Never effective here: a child raises it to empty its own bounding set. */
    static const cap_value_t for_children = CAP_SETPCAP;
    cap_t wanted = cap_init();
    int failed = 0;

    CL_CHECK(wanted);
    for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++) {
        bool is_kept = false;
        for (size_t i = 0; i < CL_COUNT(kept); i++)
            is_kept = is_kept || kept[i] == cap;
        if (!is_kept && cap_get_bound(cap) > 0)
            failed |= cap_drop_bound(cap);
    }
    failed |= prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    failed |= cap_set_flag(wanted, CAP_PERMITTED, CL_COUNT(kept), kept, CAP_SET);
    failed |= cap_set_flag(wanted, CAP_PERMITTED, 1, &for_children, CAP_SET);
    failed |= cap_set_flag(wanted, CAP_EFFECTIVE, CL_COUNT(kept), kept, CAP_SET);
    failed |= cap_set_proc(wanted);
    cap_free(wanted);
    if (failed)
        return cl_fail(err, CL_E_SYS,
                       "cloched needs the capabilities SYS_ADMIN SETUID SETGID KILL "
                       "NET_ADMIN CHOWN, and SETPCAP to drop the rest");
    return 0;
}

void cl_state_notify(const char *text)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t length = strlen(notify_path);

    if (length == 0)
        return;
    memcpy(to.sun_path, notify_path, length);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* an abstract name */
    cl_close_auto int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}
