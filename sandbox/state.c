/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the process plain and opens what it keeps for its whole life.
 * Runs in: cloched, before its loop.
 * Trusts: the command line; root's file system.
 */
#include "sandbox/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wirenames.h"
#include "sandbox/shed.h"

#define CAPABILITIES "cap_sys_admin,cap_setuid,cap_setgid,cap_kill,cap_net_admin,cap_chown"

enum { LOCK_RETRY_MS = 20, LOCK_WAIT_MS = 4000 };

static char notify_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

/* Whatever was closed of the standard streams is not left to what is opened next. */
static int fill_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd < 0 ? -1 : close(fd);
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
    if (fill_streams() < 0 || close_range(CL_BEGUN_FD + 1, ~0u, 0) < 0)
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

/* A living cloched has a record lock, which no child shares. A dead one's sweeper holds the other
 * until its cgroups, which have our name, are gone: that one is waited for. */
static int take_lock(int lock)
{
    struct flock own = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(lock, F_SETLK, &own) < 0)
        return -1;
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
    if (state->dir < 0)
        return cl_fail(err, CL_E_SYS, "open the state directory %s", path);
    if (cl_file_check_owner(state->dir, full, false, &found, err) < 0)
        return cl_err_context(err, "the state directory");
    name_instance(state, full);

    state->lock = openat(state->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (state->lock < 0)
        return cl_fail(err, CL_E_SYS, "the state directory %s is not writable", path);
    if (take_lock(state->lock) < 0)
        return cl_fail(err, CL_E_BUSY, "another cloched is running on %s", path);
    return chdir("/") < 0 ? cl_fail(err, CL_E_SYS, "chdir /") : 0;
}

/* ------------------------------------------------------------------------------ the store */

/* What its owner of last time left: plain files without a second name, else root would give away
 * what is somebody else's. */
static int give_file(int store, const char *name, uid_t uid, struct cl_err *err)
{
    struct stat found;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(store, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return cl_fail(err, CL_E_SYS, "look at %s in the store directory", name);
    if (!S_ISREG(found.st_mode) || found.st_nlink != 1)
        return cl_fail(err, CL_E_DENIED, "%s in the store directory is no file of the store",
                       name);
    if (fchownat(store, name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
        return cl_fail(err, CL_E_SYS, "give %s in the store directory to the API", name);
    return 0;
}

static int give_files(int store, uid_t uid, struct cl_err *err)
{
    cl_close_auto int copy = openat(store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cl_closedir_auto DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;

    if (!folder)
        return cl_fail(err, CL_E_SYS, "list the store directory");
    cl_take_fd(&copy); /* the folder closes it */
    while ((entry = readdir(folder))) {
        if (give_file(store, entry->d_name, uid, err) < 0)
            return -1;
    }
    return 0;
}

/* The directory is given last: one that was left half-way is root's and is walked again. Without
 * the right to pass by modes, root only opens what is root's, so it is taken for that long. */
int cl_state_store(struct cl_state *state, uid_t uid, struct cl_err *err)
{
    struct stat found;

    if (mkdirat(state->dir, "store", 0700) < 0 && errno != EEXIST)
        return cl_fail(err, CL_E_SYS, "make the store directory in the state directory");
    if (fstatat(state->dir, "store", &found, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(found.st_mode))
        return cl_fail(err, CL_E_DENIED, "store in the state directory is no directory");
    if (fchownat(state->dir, "store", 0, 0, AT_SYMLINK_NOFOLLOW) < 0 ||
        (state->store = cl_file_dir(state->dir, "store", 0, err)) < 0)
        return cl_fail(err, CL_E_SYS, "open the store directory in the state directory");
    if (found.st_uid != uid && give_files(state->store, uid, err) < 0)
        return -1;
    if (fchmod(state->store, 0700) < 0 || fchown(state->store, uid, uid) < 0)
        return cl_fail(err, CL_E_SYS, "give the store directory to the API");
    return 0;
}

int cl_state_listen(struct cl_state *state, struct cl_err *err)
{
    int listens = 0;
    socklen_t size = sizeof(listens);

    if (getsockopt(CL_BEGUN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens ||
        fcntl(CL_BEGUN_FD, F_SETFD, FD_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "cloche-begin left no socket to listen on");
    state->listener = CL_BEGUN_FD;
    return 0;
}

int cl_state_confine(struct cl_err *err)
{
    /* SETPCAP is never effective here: a child raises it to empty its own bounding set. */
    if (cl_shed_capabilities(CAPABILITIES "=ep cap_setpcap=p", CAPABILITIES "=p", err) < 0)
        return cl_err_context(err, "cloched needs SETPCAP and all the capabilities it keeps");
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
