/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote's tree: what is in it under which policy, and that none of it can be written.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sandbox/base/own.h"
#include "tests/support/jailcase.h"

static struct policy_sample policy;

static void run_in_child(void (*body)(void))
{
    jailcase_need_root();
    assert_int_equal(jailcase_run(body), 0);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    EXPECT(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void enter(void)
{
    struct cl_err err = CL_ERR_INIT;

    umask(077); /* as the zygote's is */
    if (cl_enter_tree(&policy.head, &err) < 0)
        fprintf(stderr, "%s\n", err.text);
    EXPECT(err.kind == CL_E_NONE);
    EXPECT(umask(077) == 077);
}

/* A worker is another user than the zygote that made the tree. */
static void become_worker(void)
{
    EXPECT(setresgid(5, 5, 5) == 0 && setresuid(5, 5, 5) == 0);
}

static void bind(const char *source, const char *target)
{
    char *end = stpcpy(stpcpy(policy.binds, source) + 1, target) + 1;

    policy.head.binds = (struct cl_policy_span){ offsetof(struct policy_sample, binds),
                                                 (uint32_t)(end - policy.binds), 2, 0 };
}

static void enter_empty(void)
{
    char name[64], folder[64];

    jailcase_jail(&policy);
    enter();
    EXPECT(count_entries("/") == 0);
    EXPECT(mkdir("/x", 0700) == -1 && errno == EROFS);
    EXPECT(access("/..", F_OK) == 0 && count_entries("/..") == 0);
    EXPECT(gethostname(name, sizeof(name)) == 0 && strcmp(name, "jail") == 0);
    EXPECT(strcmp(getcwd(folder, sizeof(folder)), "/") == 0);
}

static void tree_is_empty_and_read_only_by_default(void **state)
{
    (void)state;
    run_in_child(enter_empty);
}

static void enter_with_tmp(void)
{
    struct cl_jail jail = jailcase_jail(&policy);
    struct cl_err err = CL_ERR_INIT;

    policy.head.files_bytes = 1 << 20;
    enter();
    EXPECT(count_entries("/") == 1 && mkdir("/tmp/x", 0700) == -1 && errno == EROFS);
    EXPECT(cl_enter_mounts(&jail, &err) == 0 && mkdir("/tmp/x", 0700) == 0);
}

static void tmp_is_a_mount_point_that_only_a_worker_fills(void **state)
{
    (void)state;
    run_in_child(enter_with_tmp);
}

static void enter_with_bind(void)
{
    struct statvfs fs;

    jailcase_jail(&policy);
    bind("/usr/share", "/data/share");
    enter();
    become_worker();
    EXPECT(count_entries("/") == 1 && count_entries("/data") == 1);
    EXPECT(count_entries("/data/share") > 0);
    EXPECT(statvfs("/data/share", &fs) == 0);
    EXPECT((fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)) ==
           (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC));
    EXPECT(open("/data/share/x", O_CREAT | O_WRONLY, 0600) == -1 && errno == EROFS);
}

static void bind_is_visible_read_only_and_without_code(void **state)
{
    (void)state;
    run_in_child(enter_with_bind);
}

static void enter_wrongly(const char *source, const char *target, enum cl_err_kind kind)
{
    struct cl_err err = CL_ERR_INIT;

    jailcase_jail(&policy);
    bind(source, target);
    EXPECT(cl_enter_tree(&policy.head, &err) == -1);
    EXPECT(err.kind == (uint32_t)kind && err.text[0]);
}

static void enter_with_missing_source(void)
{
    enter_wrongly("/usr/nowhere-at-all", "/data", CL_E_SYS);
}

/* /bin is one on every Debian. */
static void enter_with_a_link(void)
{
    enter_wrongly("/bin", "/data", CL_E_SYS);
}

static void enter_with_a_link_on_the_way(void)
{
    enter_wrongly("/lib/python3", "/data", CL_E_SYS);
}

static void enter_with_dots(void)
{
    enter_wrongly("/usr/share", "/data/../etc", CL_E_INPUT);
}

static void enter_with_a_file(void)
{
    enter_wrongly("/etc/passwd", "/data", CL_E_SYS);
}

static void bind_that_cannot_be_made_fails_the_tree(void **state)
{
    (void)state;
    run_in_child(enter_with_missing_source);
    run_in_child(enter_with_dots);
    run_in_child(enter_with_a_file);
    run_in_child(enter_with_a_link);
    run_in_child(enter_with_a_link_on_the_way);
}

static void enter_with_python(void)
{
    jailcase_jail(&policy);
    policy.head.tiers |= CL_TIER_LATE_IMPORTS;
    enter();
    become_worker();
    EXPECT(access("/usr/lib/python3.11/json/__init__.py", R_OK) == 0);
    /* A module whose library is not loaded yet: both come from the tree. */
    EXPECT(!dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_NOLOAD));
    EXPECT(dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL));
    EXPECT(access("/usr/bin", F_OK) == -1 && access("/proc", F_OK) == -1);
    EXPECT(access("/etc", F_OK) == -1 && access("/dev", F_OK) == -1);
    EXPECT(count_entries("/usr/lib/x86_64-linux-gnu") < 64);
    EXPECT(open("/usr/lib/python3.11/x", O_CREAT | O_WRONLY, 0600) == -1 && errno == EROFS);
}

static void late_imports_show_python_and_its_libraries_alone(void **state)
{
    (void)state;
    run_in_child(enter_with_python);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tree_is_empty_and_read_only_by_default),
        cmocka_unit_test(tmp_is_a_mount_point_that_only_a_worker_fills),
        cmocka_unit_test(bind_is_visible_read_only_and_without_code),
        cmocka_unit_test(bind_that_cannot_be_made_fails_the_tree),
        cmocka_unit_test(late_imports_show_python_and_its_libraries_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
