/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the hierarchies are, on hosts of several kinds, and what both back ends write and read,
 * on directories of plain files.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/cgroup.h"

static struct cl_err err;

/* ------------------------------------------------------------------------------- finding */

static const char v1_line[] =
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
static const char joined_line[] =
    "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n";
static const char v2_line[] =
    "41 31 0:38 /docker/ab /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

static void mounts_of_both_versions_are_parsed(void **state)
{
    struct cl_cgroup_mount mount;

    (void)state;
    assert_true(cl_cgroup_parse_mount(v1_line, &mount));
    assert_false(mount.v2);
    assert_string_equal(mount.point, "/sys/fs/cgroup/memory");
    assert_true(cl_cgroup_mount_has(&mount, "memory"));
    assert_false(cl_cgroup_mount_has(&mount, "mem"));
    assert_true(cl_cgroup_parse_mount(joined_line, &mount));
    assert_true(cl_cgroup_mount_has(&mount, "cpu"));
    assert_true(cl_cgroup_mount_has(&mount, "cpuacct"));
    assert_true(cl_cgroup_parse_mount(v2_line, &mount));
    assert_true(mount.v2);
    assert_string_equal(mount.root, "/docker/ab");
    assert_false(cl_cgroup_mount_has(&mount, "rw"));
}

static void other_mounts_and_broken_lines_are_not(void **state)
{
    static const char *const lines[] = {
        "",
        "- ",
        " - ",
        "1 2 0:3 / /proc rw - proc proc rw",
        "1 2 0:3 / /sys/fs/cgroup rw",
        "1 2 0:3 / /x rw - cgroup3 none rw",
        "1 2 0:3 / /x rw - cgroup",
    };
    struct cl_cgroup_mount mount;

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_false(cl_cgroup_parse_mount(lines[i], &mount));
}

static void own_group_is_found_by_controller(void **state)
{
    static const char text[] =
        "9:name=systemd:/\n4:memory:/api/4f\n2:cpu,cpuacct:/a:b\n0::/user\n";
    char path[32];

    (void)state;
    assert_int_equal(cl_cgroup_parse_own(text, "memory", path, sizeof(path)), 0);
    assert_string_equal(path, "/api/4f");
    assert_int_equal(cl_cgroup_parse_own(text, "cpu", path, sizeof(path)), 0);
    assert_string_equal(path, "/a:b");
    assert_int_equal(cl_cgroup_parse_own(text, NULL, path, sizeof(path)), 0);
    assert_string_equal(path, "/user");
    assert_int_equal(cl_cgroup_parse_own(text, "pids", path, sizeof(path)), -1);
    assert_int_equal(cl_cgroup_parse_own(text, "memory", path, 7), -1);
    assert_int_equal(cl_cgroup_parse_own("", NULL, path, sizeof(path)), -1);
    assert_int_equal(cl_cgroup_parse_own("0:", NULL, path, sizeof(path)), -1);
}

static void path_is_below_what_is_mounted(void **state)
{
    struct cl_cgroup_mount mount;
    char path[64];

    (void)state;
    cl_cgroup_parse_mount(v1_line, &mount);
    assert_int_equal(cl_cgroup_path(&mount, "/api", path, sizeof(path)), 0);
    assert_string_equal(path, "/sys/fs/cgroup/memory/api");
    cl_cgroup_parse_mount(v2_line, &mount);
    assert_int_equal(cl_cgroup_path(&mount, "/docker/ab/c", path, sizeof(path)), 0);
    assert_string_equal(path, "/sys/fs/cgroup/c");
    assert_int_equal(cl_cgroup_path(&mount, "/docker/abc", path, sizeof(path)), -1);
    assert_int_equal(cl_cgroup_path(&mount, "/other", path, sizeof(path)), -1);
    assert_int_equal(cl_cgroup_path(&mount, "/docker/ab", path, 8), -1);
}

/* ------------------------------------------------------------------------- back ends on files */

static char folder[] = "/tmp/cgroup.XXXXXX";
static int dir;
static struct cl_slot slot;
static const struct cl_policy policy = {
    .memory_bytes = 1 << 20, .processes = 2, .cpu_weight = 200, .cpu_max_milli = 500
};

static void have(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static const char *content(const char *name)
{
    static char text[64];

    assert_works(cl_file_get(dir, name, text, sizeof(text), &err), &err);
    return text;
}

static int setup(void **state)
{
    static const char *const files[] = {
        "cgroup.procs",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.swappiness",
        "memory.max_usage_in_bytes",
        "memory.oom_control",
        "pids.events",
        "memory.force_empty",
        "pids.max",
        "pids.current",
        "cpu.shares",
        "cpu.cfs_period_us",
        "cpu.cfs_quota_us",
        "memory.max",
        "memory.events",
        "memory.swap.max",
        "memory.oom.group",
        "cpu.weight",
        "cpu.max",
        "cgroup.kill",
    };

    (void)state;
    strcpy(folder, "/tmp/cgroup.XXXXXX");
    assert_non_null(mkdtemp(folder));
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        have(files[i], "");
    memset(&slot, 0, sizeof(slot));
    for (size_t i = 0; i < CL_CG_COUNT; i++) {
        slot.group.dirs[i] = dup(dir);
        slot.procs.dirs[i] = -1;
    }
    memset(slot.counters, 0xff, sizeof(slot.counters));
    slot.owner = getuid();
    slot.policy = &policy;
    return 0;
}

static int drop(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    cl_cgroup_slot_close(&slot);
    close(dir);
    nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static void v1_writes_each_limit(void **state)
{
    (void)state;
    assert_works(cl_cgroup_v1.slot_prepare(&slot, &err), &err);
    assert_works(cl_cgroup_v1.slot_limit(&slot, 1 << 20, 2, &err), &err);
    assert_string_equal(content("memory.limit_in_bytes"), "1048576");
    assert_string_equal(content("memory.memsw.limit_in_bytes"), "1048576");
    assert_string_equal(content("memory.swappiness"), "0");
    assert_string_equal(content("pids.max"), "2");
    assert_string_equal(content("cpu.shares"), "2048");
    assert_string_equal(content("cpu.cfs_quota_us"), "50000");
}

static void v1_works_without_swap_accounting_and_fails_without_memory(void **state)
{
    (void)state;
    unlinkat(dir, "memory.memsw.limit_in_bytes", 0);
    assert_works(cl_cgroup_v1.slot_limit(&slot, 4096, 2, &err), &err);
    unlinkat(dir, "memory.limit_in_bytes", 0);
    assert_fails(cl_cgroup_v1.slot_limit(&slot, 4096, 2, &err), &err, CL_E_SYS);
}

static void v1_reads_counters(void **state)
{
    struct cl_cgroup_usage raw;

    (void)state;
    assert_works(cl_cgroup_v1.slot_prepare(&slot, &err), &err);
    have("memory.max_usage_in_bytes", "123456\n");
    have("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    have("pids.events", "max 7\n");
    cl_cgroup_slot_usage(&slot, &raw);
    assert_int_equal(raw.memory_peak_bytes, 123456);
    assert_int_equal(raw.oom_kills, 2);
    assert_int_equal(raw.pids_refused, 7);
    have("pids.current", "1\n");
    assert_false(cl_cgroup_slot_is_empty(&slot));
    have("pids.current", "0\n");
    assert_true(cl_cgroup_slot_is_empty(&slot));
    have("pids.current", "\n");
    assert_false(cl_cgroup_slot_is_empty(&slot));
    unlinkat(dir, "cgroup.kill", 0);
    assert_int_equal(cl_cgroup_kill(&slot.group), -1);
}

static void v1_empties_a_group_that_pages_outlived(void **state)
{
    (void)state;
    assert_works(cl_cgroup_v1.slot_prepare(&slot, &err), &err);
    /* A plain file keeps what is behind the "0" that is written: that is the usage left. */
    have("memory.max_usage_in_bytes", "98192\n");
    assert_int_equal(cl_cgroup_v1.slot_reset(&slot), 0);
    assert_string_equal(content("memory.force_empty"), "");
    have("memory.max_usage_in_bytes", "944707840\n");
    assert_int_equal(cl_cgroup_v1.slot_reset(&slot), 0);
    assert_string_equal(content("memory.force_empty"), "0");
}

static void v2_writes_each_limit(void **state)
{
    (void)state;
    assert_works(cl_cgroup_v2.slot_prepare(&slot, &err), &err);
    assert_works(cl_cgroup_v2.slot_limit(&slot, 1 << 20, 2, &err), &err);
    assert_string_equal(content("memory.max"), "1048576");
    assert_string_equal(content("memory.swap.max"), "0");
    assert_string_equal(content("memory.oom.group"), "1");
    assert_string_equal(content("pids.max"), "2");
    assert_string_equal(content("cpu.weight"), "200");
    assert_string_equal(content("cpu.max"), "50000");
    assert_int_equal(cl_cgroup_kill(&slot.group), 0);
    assert_string_equal(content("cgroup.kill"), "1");
}

static void v2_reads_counters_of_every_kernel(void **state)
{
    struct cl_cgroup_usage raw;

    (void)state;
    have("memory.current", "1000\n");
    assert_works(cl_cgroup_v2.slot_prepare(&slot, &err), &err);
    have("memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n");
    have("pids.events", "max 3\n");
    cl_cgroup_slot_usage(&slot, &raw);
    assert_int_equal(raw.memory_peak_bytes, 1000); /* before 5.19 */
    assert_int_equal(raw.oom_kills, 1);
    assert_int_equal(raw.pids_refused, 3);
    assert_int_equal(cl_cgroup_v2.slot_reset(&slot), 0); /* there is no peak to reset */

    have("memory.peak", "5000\n");
    cl_own_close(&slot.counters[CL_CG_PEAK]);
    slot.counters[CL_CG_PEAK] = openat(dir, "memory.peak", O_RDONLY | O_CLOEXEC);
    cl_cgroup_slot_usage(&slot, &raw);
    assert_int_equal(raw.memory_peak_bytes, 5000);
    assert_int_equal(cl_cgroup_v2.slot_reset(&slot), -1); /* 5.19 to 6.11: made anew */

    cl_own_close(&slot.counters[CL_CG_PEAK]);
    slot.counters[CL_CG_PEAK] = openat(dir, "memory.peak", O_RDWR | O_CLOEXEC);
    assert_int_equal(cl_cgroup_v2.slot_reset(&slot), 0); /* from 6.12 */
}

static void v2_is_empty_without_tasks(void **state)
{
    (void)state;
    assert_works(cl_cgroup_v2.slot_prepare(&slot, &err), &err);
    have("pids.current", "10\n");
    assert_false(cl_cgroup_slot_is_empty(&slot));
    have("pids.current", "0\n");
    assert_true(cl_cgroup_slot_is_empty(&slot));
}

static void usage_is_since_the_last_recycling_and_limits_come_back(void **state)
{
    struct cl_cgroup_host host = { .ops = &cl_cgroup_v1, .dir_count = CL_CG_COUNT };
    struct cl_cgroup_usage usage;

    (void)state;
    assert_works(cl_cgroup_v1.slot_prepare(&slot, &err), &err);
    have("memory.oom_control", "oom_kill 4\n");
    have("pids.events", "max 10\n");
    slot.narrowed = true;
    assert_works(cl_cgroup_slot_recycle(&host, &slot.group, &slot, &err), &err);
    assert_string_equal(content("memory.limit_in_bytes"), "1048576");
    assert_false(slot.narrowed);
    have("memory.oom_control", "oom_kill 5\n");
    cl_cgroup_slot_usage(&slot, &usage);
    assert_int_equal(usage.oom_kills, 1);
    assert_int_equal(usage.pids_refused, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_of_both_versions_are_parsed),
        cmocka_unit_test(other_mounts_and_broken_lines_are_not),
        cmocka_unit_test(own_group_is_found_by_controller),
        cmocka_unit_test(path_is_below_what_is_mounted),
        CASE(v1_writes_each_limit),
        CASE(v1_works_without_swap_accounting_and_fails_without_memory),
        CASE(v1_reads_counters),
        CASE(v1_empties_a_group_that_pages_outlived),
        CASE(v2_writes_each_limit),
        CASE(v2_reads_counters_of_every_kernel),
        CASE(v2_is_empty_without_tasks),
        CASE(usage_is_since_the_last_recycling_and_limits_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
