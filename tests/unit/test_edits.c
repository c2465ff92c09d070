/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits below a directory are heard of, once for a burst, whatever way they were made.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/load/edits.h"

static char folder[] = "/tmp/edits.XXXXXX";
static char config[64];
static struct cl_loop loop;
static struct cl_edits edits;
static struct cl_err err;
static unsigned heard;

static void on_edit(struct cl_edits *what)
{
    assert_ptr_equal(what, &edits);
    heard++;
}

static void run(const char *format, ...)
{
    char line[512] = "cd ";
    va_list args;

    strcat(line, folder);
    strcat(line, " && ");
    va_start(args, format);
    vsnprintf(line + strlen(line), sizeof(line) - strlen(line), format, args);
    va_end(args);
    assert_int_equal(system(line), 0);
}

static int setup(void **state)
{
    sigset_t mask;

    (void)state;
    strcpy(folder, "/tmp/edits.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(config, sizeof(config), "%s/config", folder);
    run("mkdir -p config/policies && echo 1 > config/policies/a.yaml");
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    heard = 0;
    assert_works(cl_loop_open(&loop, &mask, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(edits.watch.fd);
    close(loop.clock);
    close(loop.signals);
    close(loop.epoll);
    run("rm -rf %s", folder);
    return 0;
}

static void on_tick(struct cl_timer *timer)
{
    (void)timer;
}

static void serve(uint64_t for_us)
{
    uint64_t until = cl_clock_us() + for_us;
    struct cl_timer tick;

    cl_timer_init(&tick, on_tick);
    while (cl_clock_us() < until) {
        cl_timer_start(&loop, &tick, cl_clock_us() + 5000);
        assert_works(cl_loop_once(&loop, &err), &err);
        cl_timer_stop(&tick);
    }
}

/* One more is heard of, soon, and only one. */
static void expect_one(void)
{
    unsigned before = heard;
    uint64_t until = cl_clock_us() + 5000000;

    while (heard == before && cl_clock_us() < until)
        serve(10000);
    serve(250000);
    assert_int_equal(heard, before + 1);
}

static void open_it(void)
{
    assert_works(cl_edits_open(&edits, &loop, config, on_edit, &err), &err);
}

static void each_way_to_change_a_file_is_heard_of(void **state)
{
    static const char *const ways[] = {
        "echo 2 >> config/policies/a.yaml",
        "echo 3 > config/policies/b.yaml",
        "echo 4 > .new && mv .new config/policies/a.yaml",
        "mv config/policies/b.yaml c.yaml",
        "ln -s a.yaml config/policies/d.yaml",
        "rm config/policies/d.yaml",
        "chmod 600 config/policies/a.yaml",
    };

    (void)state;
    open_it();
    for (size_t i = 0; i < CL_COUNT(ways); i++) {
        run("%s", ways[i]);
        expect_one();
    }
}

static void reading_and_the_neighbours_are_no_edit(void **state)
{
    (void)state;
    open_it();
    run("cat config/policies/a.yaml > other && mkdir beside && ls config > /dev/null");
    serve(250000);
    assert_int_equal(heard, 0);
}

static void write_once(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/policies/a.yaml", config);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "1\n", 2), 2);
    close(fd);
}

static void burst_is_heard_of_once(void **state)
{
    (void)state;
    open_it();
    for (int i = 0; i < 10; i++)
        write_once();
    expect_one();
}

static void endless_burst_is_heard_of_all_the_same(void **state)
{
    uint64_t until = cl_clock_us() + 1500000;
    unsigned writes = 0;

    (void)state;
    open_it();
    for (; cl_clock_us() < until; writes++) {
        write_once();
        serve(20000);
    }
    assert_in_range(heard, 1, writes / 4);
}

/* Kubernetes: ..data is a link to a directory of a version, put in its place at once. */
static void swapped_link_is_followed(void **state)
{
    (void)state;
    run("mv config/policies v1 && mkdir v2 config/v && mv v1 v2 config/v && "
        "ln -s v/v1 config/..data && ln -s ..data config/policies");
    open_it();
    run("ln -s v/v2 config/..tmp && mv -T config/..tmp config/..data");
    expect_one();
    run("echo 1 > config/v/v2/b.yaml");
    expect_one();
    run("echo 1 > config/v/v1/b.yaml"); /* nobody's any more */
    serve(250000);
    assert_int_equal(heard, 2);
}

static void directories_put_in_place_of_others_are_followed(void **state)
{
    (void)state;
    open_it();
    run("mkdir config/p && mv config/policies old && mv config/p config/policies");
    expect_one();
    run("echo 1 > config/policies/b.yaml");
    expect_one();
    run("mkdir -p next/policies && mv config gone && mv next config");
    expect_one();
    run("echo 1 > config/policies/b.yaml");
    expect_one();
    run("echo 1 > gone/policies/b.yaml");
    serve(250000);
    assert_int_equal(heard, 4);
}

static void directory_that_comes_later_is_heard_of(void **state)
{
    (void)state;
    run("rm -r config/policies");
    open_it();
    run("mkdir config/policies");
    expect_one();
    run("echo 1 > config/policies/b.yaml");
    expect_one();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_way_to_change_a_file_is_heard_of),
        CASE(reading_and_the_neighbours_are_no_edit),
        CASE(burst_is_heard_of_once),
        CASE(endless_burst_is_heard_of_all_the_same),
        CASE(swapped_link_is_followed),
        CASE(directories_put_in_place_of_others_are_followed),
        CASE(directory_that_comes_later_is_heard_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
