/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of files.read_only: root's directories pass, whatever others can change does not.
 * Runs in: tests only, as root.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/load/owned.h"

static char folder[64];
static char path[256];

static const char *at(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/binds.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(mkdir(at("way"), 0755), 0);
    assert_int_equal(mkdir(at("way/end"), 0755), 0);
    return 0;
}

static int teardown(void **state)
{
    char command[80];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void expect_refused(const char *name, enum cl_err_kind kind, const char *text)
{
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_owned_check(at(name), &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void own_directory_passes(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_works(cl_owned_check(at("way/end"), &err), &err);
    assert_works(cl_owned_check("/usr", &err), &err);
}

static void missing_or_plain_file_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    expect_refused("way/nowhere", CL_E_SYS, "way/nowhere: No such file");
    assert_true(close(open(at("way/file"), O_CREAT | O_WRONLY, 0644)) == 0);
    expect_refused("way/file", CL_E_SYS, "way/file: Not a directory");
    expect_refused("way/file/end", CL_E_SYS, "way/file: Not a directory");
}

static void link_is_refused_at_the_end_and_on_the_way(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(symlink("way", at("link")), 0);
    expect_refused("link", CL_E_DENIED, "/link is a symbolic link");
    expect_refused("link/end", CL_E_DENIED, "/link is a symbolic link");
}

static void what_others_may_write_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(at("way/end"), 0775), 0);
    expect_refused("way/end", CL_E_DENIED, "/end is writable by its group");
    assert_int_equal(chmod(at("way/end"), 01777), 0);
    expect_refused("way/end", CL_E_DENIED, "/end is writable by its group");
    assert_int_equal(chmod(at("way/end"), 0755), 0);
    assert_int_equal(chmod(at("way"), 0757), 0);
    expect_refused("way/end", CL_E_DENIED, "/way is writable by its group");
}

/* /tmp itself is such a way: others may add to it, but not replace what is root's. */
static void sticky_directory_may_be_on_the_way(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(at("way"), 01777), 0);
    assert_works(cl_owned_check(at("way/end"), &err), &err);
}

static void what_is_not_roots_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(at("way"), 1000, 0), 0);
    expect_refused("way/end", CL_E_DENIED, "/way belongs to uid 1000, not to root");
    assert_int_equal(chown(at("way"), 0, 0), 0);
    assert_int_equal(chown(at("way/end"), 1000, 0), 0);
    expect_refused("way/end", CL_E_DENIED, "/end belongs to uid 1000, not to root");
}

static void path_that_is_not_plain_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_owned_check("/usr//share", &err), -1);
    assert_int_equal(err.kind, CL_E_INPUT);
}

int main(void)
{
#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(own_directory_passes),
        CASE(missing_or_plain_file_is_refused),
        CASE(link_is_refused_at_the_end_and_on_the_way),
        CASE(what_others_may_write_is_refused),
        CASE(sticky_directory_may_be_on_the_way),
        CASE(what_is_not_roots_is_refused),
        CASE(path_that_is_not_plain_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
