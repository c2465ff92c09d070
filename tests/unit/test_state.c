/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory, its lock and its store.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/state.h"

static char folder[] = "/tmp/state.XXXXXX";
static struct cl_state kept;
static struct cl_err err;

static int setup(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    strcpy(folder, "/tmp/state.XXXXXX");
    assert_non_null(mkdtemp(folder));
    kept = (struct cl_state){ -1, -1, -1, -1, -1, "" };
    return 0;
}

static void close_all(struct cl_state *state)
{
    cl_own_close(&state->dir);
    cl_own_close(&state->lock);
    cl_own_close(&state->listener);
    cl_own_close(&state->store);
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    close_all(&kept);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return geteuid() == 0 ? system(command) : 0;
}

static void directory_that_others_may_write_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(folder, 0777), 0);
    assert_fails(cl_state_open(&kept, folder, &err), &err, CL_E_DENIED);
}

/* What a second process gets, and how soon. */
static int open_elsewhere(uint64_t *took_us)
{
    struct cl_state other = { -1, -1, -1, -1, -1, "" };
    uint64_t since = cl_clock_us();
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        close_all(&kept); /* else it would hold the lock itself */
        _exit(cl_state_open(&other, folder, &err) == 0 ? 0 : (int)err.kind);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *took_us = cl_clock_us() - since;
    return WEXITSTATUS(status);
}

static void second_holder_of_the_lock_is_refused_at_once(void **state)
{
    uint64_t took_us;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_works(cl_state_open(&kept, folder, &err), &err);
    assert_int_equal(open_elsewhere(&took_us), CL_E_BUSY);
    assert_in_range(took_us, 0, 2000000);
}

/* A sweeper shares the lock of a cloched that is gone. */
static void lock_of_a_sweeper_is_waited_for(void **state)
{
    uint64_t took_us;
    pid_t sweeper = 0;
    int ends[2];

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (cl_state_open(&kept, folder, &err) < 0)
            _exit(1);
        sweeper = fork();
        if (sweeper == 0)
            usleep(300000);
        else
            (void)!write(ends[1], &sweeper, sizeof(sweeper));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read(ends[0], &sweeper, sizeof(sweeper)), sizeof(sweeper));
    assert_int_equal(open_elsewhere(&took_us), 0);
    assert_in_range(took_us, 100000, 4000000);
    close(ends[0]);
    close(ends[1]);
}

static void instance_is_named_by_the_directory(void **state)
{
    char name[CL_STATE_INSTANCE_SIZE];

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_works(cl_state_open(&kept, folder, &err), &err);
    memcpy(name, kept.instance, sizeof(name));
    assert_int_equal(strlen(name), 8);
    close_all(&kept);
    assert_works(cl_state_open(&kept, folder, &err), &err);
    assert_string_equal(kept.instance, name);
}

/* As under a service manager: root, but without the right to pass by modes. */
static int drop_passing(void)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct held[2];

    if (syscall(SYS_capget, &head, held) < 0)
        return -1;
    held[0].permitted &=
        ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER);
    held[0].effective = held[0].permitted;
    return (int)syscall(SYS_capset, &head, held);
}

static bool is_owned(int dir, const char *name, uid_t uid)
{
    struct stat found;

    return fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_uid == uid &&
           found.st_gid == uid;
}

/* As the API does: by descriptor, for the state directory is closed to it. */
static int make_file(uid_t uid)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0)
        _exit(setgid(uid) < 0 || setuid(uid) < 0 ||
              mknodat(kept.store, "file", S_IFREG | 0600, 0) < 0 ||
              mknodat(kept.dir, "store/other", S_IFREG | 0600, 0) == 0);
    return waitpid(child, &status, 0) == child ? status : -1;
}

/* Made for one uid, taken over for another, taken over when nothing changed. */
static int give_thrice(void)
{
    static const uid_t uids[] = { 12345, 23456, 23456 };

    for (size_t i = 0; i < CL_COUNT(uids); i++) {
        if (cl_state_store(&kept, uids[i], &err) < 0)
            return 1;
        if (i == 0 && make_file(uids[i]) != 0)
            return 2;
        cl_own_close(&kept.store);
        if (!is_owned(kept.dir, "store", uids[i]))
            return 3;
    }
    return 0;
}

static void the_store_is_given_to_whoever_the_api_is(void **state)
{
    int status = 0;
    pid_t child;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_works(cl_state_open(&kept, folder, &err), &err);
    child = fork();
    if (child == 0)
        _exit(drop_passing() < 0 ? 9 : give_thrice());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(is_owned(kept.dir, "store/file", 23456));
}

static void a_store_that_cannot_be_given_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_works(cl_state_open(&kept, folder, &err), &err);
    assert_int_equal(symlinkat("/tmp", kept.dir, "store"), 0);
    assert_fails(cl_state_store(&kept, 12345, &err), &err, CL_E_DENIED);
    assert_int_equal(unlinkat(kept.dir, "store", 0), 0);
    assert_int_equal(mkdirat(kept.dir, "store", 0777), 0);
    assert_int_equal(symlinkat("/etc/passwd", kept.dir, "store/x"), 0);
    assert_fails(cl_state_store(&kept, 12345, &err), &err, CL_E_DENIED);
    assert_true(is_owned(kept.dir, "store", 0)); /* not given */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(directory_that_others_may_write_is_refused),
        CASE(second_holder_of_the_lock_is_refused_at_once),
        CASE(lock_of_a_sweeper_is_waited_for),
        CASE(instance_is_named_by_the_directory),
        CASE(the_store_is_given_to_whoever_the_api_is),
        CASE(a_store_that_cannot_be_given_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
