/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API cannot do any more once it is confined.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "api/confine.h"
#include "api/storeq.h"
#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

static int store_fd = -1; /* as cloche-api has it, or none */
static int audit_fd = -1; /* likewise */

/* Runs `try` confined, in a child. Its exit status, or 1000 + the signal that ended it. */
static int confined(int (*try)(void))
{
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        struct cl_err err = CL_ERR_INIT;

        _exit(cl_confine_files(store_fd, &err) < 0 ||
                      cl_confine_calls(store_fd, audit_fd, &err) < 0
                  ? 99
                  : try());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int serve(void)
{
    int pair[2];
    char *memory =
        mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char byte = 0;

    if (memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ) < 0 || !malloc(1 << 22))
        return 1;
    /* socketpair is not among the calls that are left: use an inherited one. */
    pair[0] = 3;
    int waiting = 0;

    if (ioctl(pair[0], FIONREAD, &waiting) < 0 || waiting != 1)
        return 3;
    if (ioctl(pair[0], FIOASYNC, &waiting) == 0)
        return 4;
    return read(pair[0], &byte, 1) == 1 && write(pair[0], &byte, 1) == 1 ? 0 : 2;
}

static void it_serves_what_it_has(void **state)
{
    int pair[2];
    char byte = 'x';

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(dup2(pair[0], 3) == 3 || pair[1] == 3);
    assert_int_equal(write(pair[1] == 3 ? pair[0] : pair[1], &byte, 1), 1);
    assert_int_equal(confined(serve), 0);
}

static int try_open(void)
{
    return open("/etc/passwd", O_RDONLY) < 0 && (errno == EPERM || errno == EACCES) ? 0 : 1;
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_kill(void)
{
    return kill(getppid(), 0) < 0 && errno == EPERM ? 0 : 1;
}

static int try_setuid(void)
{
    return setuid(12345) < 0 && errno == EPERM ? 0 : 1;
}

static int try_unlink(void)
{
    return unlink("/tmp/nothing") < 0 && errno == EPERM ? 0 : 1;
}

static int try_x32(void)
{
    return syscall(0x40000000 + SYS_getpid) < 0 ? 0 : 1;
}

static void files_sockets_and_signals_are_refused(void **state)
{
    static int (*const tries[])(void) = { try_open,   try_socket, try_kill,
                                          try_setuid, try_unlink, try_x32 };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 0)
            fail_msg("try %zu was let through", i);
    }
}

static int try_exec(void)
{
    execl("/bin/true", "true", NULL);
    return 0;
}

static int try_fork(void)
{
    return fork() < 0 ? 0 : 1;
}

static int try_vfork(void)
{
    return (int)syscall(SYS_fork);
}

static int try_ptrace(void)
{
    return (int)syscall(SYS_ptrace, 0, 0, 0, 0);
}

static int try_mmap_exec(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != NULL;
}

static int try_mprotect_exec(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static void what_only_an_intruder_does_kills(void **state)
{
    static int (*const tries[])(void) = { try_exec, try_vfork, try_ptrace, try_mmap_exec,
                                          try_mprotect_exec };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 1000 + SIGSYS)
            fail_msg("try %zu was let through", i);
    }
    assert_int_equal(confined(try_fork), 0);
}

/* ----------------------------------------------------------------------------- the store */

static char store_path[64], above[80]; /* the directory, and a file beside it */

static int make_store(void **state)
{
    (void)state;
    store_case_make_dir(store_path, &store_fd);
    snprintf(above, sizeof(above), "../%s.above", strrchr(store_path, '/') + 1);
    cl_own_close(&(int){ openat(store_fd, above, O_CREAT | O_WRONLY, 0600) });
    assert_int_equal(symlinkat("/etc/passwd", store_fd, "link"), 0);
    cl_own_close(&(int){ openat(store_fd, "mine", O_CREAT | O_WRONLY, 0600) });
    return 0;
}

static int remove_store(void **state)
{
    (void)state;
    assert_int_equal(unlinkat(store_fd, above, 0), 0); /* nobody else could */
    cl_own_close(&store_fd);
    store_case_remove_dir(store_path);
    return 0;
}

static int is_refused(int result)
{
    return result < 0 && (errno == EPERM || errno == EACCES || errno == EXDEV) ? 0 : 1;
}

static int use_files(void)
{
    cl_close_auto int fd = openat(store_fd, "other", O_RDWR | O_CREAT, 0600);

    return fd >= 0 && pwrite(fd, "x", 1, 0) == 1 && fsync(fd) == 0 && ftruncate(fd, 0) == 0 &&
                   renameat(store_fd, "other", store_fd, "third") == 0 &&
                   faccessat(store_fd, "third", R_OK, 0) == 0 &&
                   unlinkat(store_fd, "third", 0) == 0 && fsync(store_fd) == 0
               ? 0
               : 1;
}

static int open_absolute(void)
{
    return is_refused(openat(store_fd, "/etc/passwd", O_RDONLY));
}

static int open_above(void)
{
    return is_refused(openat(store_fd, above, O_RDONLY));
}

static int open_link(void)
{
    return is_refused(openat(store_fd, "link", O_RDONLY));
}

static int open_here(void)
{
    return is_refused(openat(AT_FDCWD, store_path, O_RDONLY));
}

static int open_executable(void)
{
    return is_refused(openat(store_fd, "/bin/true", O_RDONLY | O_CLOEXEC));
}

static int make_above(void)
{
    return is_refused(openat(store_fd, "../left-over", O_RDWR | O_CREAT, 0600));
}

static int remove_above(void)
{
    return is_refused(unlinkat(store_fd, above, 0)) |
           is_refused(unlinkat(AT_FDCWD, "/tmp/nothing", 0));
}

static int move_away(void)
{
    return is_refused(renameat(store_fd, "mine", store_fd, "../left-over"));
}

static int make_directory(void)
{
    return is_refused(mkdirat(store_fd, "folder", 0700));
}

static int make_link(void)
{
    return is_refused(symlinkat("/etc/passwd", store_fd, "another"));
}

static int make_fifo(void)
{
    return is_refused(mknodat(store_fd, "fifo", S_IFIFO | 0600, 0));
}

static int change_mode(void)
{
    return is_refused(fchmodat(store_fd, "mine", 04777, 0));
}

static int list_elsewhere(void)
{
    return is_refused(openat(store_fd, "/", O_RDONLY | O_DIRECTORY));
}

static void only_the_stores_files_are_left(void **state)
{
    static int (*const tries[])(void) = {
        use_files,  open_absolute, open_above,     open_link,       open_here,
        make_above, remove_above,  move_away,      make_directory,  make_link,
        make_fifo,  change_mode,   list_elsewhere, open_executable,
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 0)
            fail_msg("try %zu went wrong", i);
    }
}

/* ------------------------------------------------------------------------- the audit log */

static char log_path[] = "/tmp/cloche-log-XXXXXX";
static int next_fd = -1; /* a file that could come after it */

static int make_log(void **state)
{
    const int made = mkstemp(log_path);

    (void)state;
    assert_int_equal(write(made, "first\n", 6), 6);
    close(made);
    audit_fd = open(log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    next_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return audit_fd >= 0 && next_fd >= 0 ? 0 : -1;
}

static int remove_log(void **state)
{
    (void)state;
    cl_own_close(&audit_fd);
    cl_own_close(&next_fd);
    return unlink(log_path);
}

static int append_to_it(void)
{
    return lseek(audit_fd, 0, SEEK_SET) == 0 && write(audit_fd, "more\n", 5) == 5 ? 0 : 1;
}

static int truncate_it(void)
{
    return is_refused(ftruncate(audit_fd, 0));
}

static int write_over_it(void)
{
    return is_refused((int)pwrite(audit_fd, "x", 1, 0)) |
           is_refused((int)syscall(SYS_pwritev2, audit_fd, &(struct iovec){ "x", 1 }, 1, 0, 0,
                                   0x20 /* RWF_NOAPPEND */));
}

static int change_its_flags(void)
{
    return is_refused(fcntl(audit_fd, F_SETFL, 0)) |
           is_refused(fcntl(audit_fd, F_GETFL)); /* not even that: nothing needs it */
}

static int copy_it(void)
{
    return is_refused(dup(audit_fd)) | is_refused(dup2(audit_fd, 200)) |
           is_refused(dup3(audit_fd, 200, O_CLOEXEC)) |
           is_refused(fcntl(audit_fd, F_DUPFD, 0)) |
           is_refused((int)syscall(SYS_pidfd_getfd, 0, audit_fd, 0));
}

static int punch_a_hole(void)
{
    return is_refused(fallocate(audit_fd, 3 /* KEEP_SIZE | PUNCH_HOLE */, 0, 6)) |
           is_refused((int)copy_file_range(next_fd, NULL, audit_fd, NULL, 1, 0)) |
           is_refused((int)syscall(SYS_sendfile, audit_fd, next_fd, NULL, 1)) |
           is_refused((int)splice(next_fd, NULL, audit_fd, NULL, 1, 0));
}

static int map_it(void)
{
    return is_refused(
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, audit_fd, 0) == MAP_FAILED ? -1
                                                                                        : 0);
}

static int put_another_there(void)
{
    return dup3(next_fd, audit_fd, O_CLOEXEC) == audit_fd ? 0 : 1;
}

static void the_audit_log_only_grows(void **state)
{
    static int (*const tries[])(void) = { append_to_it,     truncate_it,      write_over_it,
                                          change_its_flags, copy_it,          punch_a_hole,
                                          map_it,           put_another_there };
    char text[32] = "";
    cl_close_auto int fd = open(log_path, O_RDONLY | O_CLOEXEC);

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        if (confined(tries[i]) != 0)
            fail_msg("try %zu went wrong", i);
    }
    assert_int_equal(read(fd, text, sizeof(text) - 1), 11);
    assert_string_equal(text, "first\nmore\n");
}

enum { LONG = 100000 };

/* On the store thread: it works, and is as confined as the rest. */
static int work(struct cl_store *store, void *arg, struct cl_err *err)
{
    static char text[LONG];
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));

    (void)arg;
    call.request = (struct cl_blob){ text, LONG };
    call.envelope = store_case_blob("{}");
    call.verdict = "ok";
    if (cl_store_call_insert(store, &call, NULL, NULL, err) < 0 ||
        cl_store_call_get(store, "t", id, NULL, NULL, err) != 1 ||
        cl_store_call_finish(store, &call, err) != 1)
        return -1;
    if (open_absolute() != 0 || open_here() != 0 || open_above() != 0 || try_socket() != 0 ||
        try_setuid() != 0 || try_fork() != 0)
        return cl_fail(err, CL_E_DENIED, "the thread may do more than it should");
    return 0;
}

static void on_work(void *arg, const struct cl_err *err)
{
    *(int *)arg = (int)err->kind;
}

/* As cloche-api starts: the store, its thread, the filter; then works, upkeep and the end. */
static int live(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct event_base *base = event_base_new();
    struct cl_store_caps caps = cl_store_caps_default;
    struct cl_store *store = cl_store_open(store_fd, &caps, &err);
    struct cl_storeq *queue = NULL;
    int kind = -1;

    if (!store || cl_confine_files(store_fd, &err) < 0)
        return 1;
    queue = cl_storeq_new(base, &store, &cl_storeq_caps_default, &err);
    if (!queue || cl_confine_calls(store_fd, -1, &err) < 0)
        return 2;
    if (cl_storeq_run(queue, work, on_work, &kind, &err) < 0)
        return 3;
    while (kind < 0)
        event_base_loop(base, EVLOOP_ONCE);
    cl_storeq_free(queue); /* the log is written back, and removed */
    if (kind != CL_E_NONE)
        return 4;
    return faccessat(store_fd, "cloche.db-wal", F_OK, 0) < 0 ? 0 : 5;
}

static void the_store_works_confined(void **state)
{
    int status = 0;
    const pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(live());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static int look(void)
{
    struct rlimit core;

    /* Asking is not allowed any more, which is as good an answer. */
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 || getrlimit(RLIMIT_CORE, &core) == 0)
        return 1;
    return 0;
}

static void nothing_can_be_asked_or_undone(void **state)
{
    (void)state;
    assert_int_equal(confined(look), 0);
}

/* A sanitizer needs what is given up; the other variants run this. */
#ifdef CL_ASAN
static const int is_sanitized = 1;
#else
static const int is_sanitized = 0;
#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_serves_what_it_has),
        cmocka_unit_test(files_sockets_and_signals_are_refused),
        cmocka_unit_test(what_only_an_intruder_does_kills),
        cmocka_unit_test(nothing_can_be_asked_or_undone),
        cmocka_unit_test_setup_teardown(only_the_stores_files_are_left, make_store,
                                        remove_store),
        cmocka_unit_test_setup_teardown(the_store_works_confined, make_store, remove_store),
        cmocka_unit_test_setup_teardown(the_audit_log_only_grows, make_log, remove_log),
    };

    return is_sanitized ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
