/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweeping on plain directories: what is inside is killed, everything is removed.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>

#include "sandbox/sweep.h"

static char folder[] = "/tmp/sweep.XXXXXX";
static int dir;

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sweep.XXXXXX");
    assert_non_null(mkdtemp(folder));
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(dir);
    return rmdir(folder);
}

static void make(const char *name)
{
    assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static void nothing_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 5), 0);
}

static void tree_is_removed_deepest_first(void **state)
{
    (void)state;
    make("cloche.x");
    make("cloche.x/z0");
    make("cloche.x/z0/zygote");
    make("cloche.x/z0/s0");
    make("cloche.x/z1");
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 5), 0);
    assert_int_equal(faccessat(dir, "cloche.x", F_OK, 0), -1);
}

static void what_is_inside_is_killed(void **state)
{
    char line[16];
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        pause();
    make("cloche.x");
    snprintf(line, sizeof(line), "%d\n", (int)pid);
    int fd = openat(dir, "cloche.x/cgroup.procs", O_WRONLY | O_CREAT, 0644);
    assert_true(write(fd, line, strlen(line)) > 0);
    close(fd);
    /* A plain file keeps the directory: what is still there is reported. */
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 5), -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    unlinkat(dir, "cloche.x/cgroup.procs", 0);
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 5), 0);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    make("kept");
    assert_int_equal(symlinkat("kept", dir, "cloche.x"), 0);
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 5), -1);
    assert_int_equal(faccessat(dir, "kept", F_OK, 0), 0);
    unlinkat(dir, "cloche.x", 0);
    unlinkat(dir, "kept", AT_REMOVEDIR);
}

/* As the root of a hierarchy is, for who has no right to pass by modes. */
static void own_directory_that_is_read_only_is_no_hindrance(void **state)
{
    struct stat found;
    int status = 0;

    (void)state;
    make("cloche.x");
    make("cloche.x/z0");
    assert_int_equal(fchmod(dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        cap_t none = cap_init();
        _exit(cap_set_proc(none) < 0 || unlinkat(dir, "cloche.x", AT_REMOVEDIR) == 0 ||
              cl_sweep_tree(dir, "cloche.x", 5) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(faccessat(dir, "cloche.x", F_OK, 0), -1);
    assert_int_equal(fstat(dir, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0555);
}

static void deeper_than_it_was_told_nothing_is_removed(void **state)
{
    (void)state;
    make("cloche.x");
    make("cloche.x/z0");
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 1), -1);
    assert_int_equal(faccessat(dir, "cloche.x/z0", F_OK, 0), 0);
    assert_int_equal(cl_sweep_tree(dir, "cloche.x", 2), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_there_is_nothing_to_do),
        CASE(tree_is_removed_deepest_first),
        CASE(what_is_inside_is_killed),
        CASE(links_are_not_followed),
        CASE(own_directory_that_is_read_only_is_no_hindrance),
        CASE(deeper_than_it_was_told_nothing_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
