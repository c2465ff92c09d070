/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files of a configuration the loader opens and hands on, which it refuses, and what it shows
 * of a functions_dir.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/load/loader.h"

static struct cl_err err;
static struct cl_loader loader;
static char folder[32];
static int policyc = -1;
static struct cl_msg_functions shown;
static char names[16384]; /* of files that were shown */

/* What loader.c would send to cloched. */
void cl_loader_tell(enum cl_msg_type type, void *msg, int fd)
{
    if (type == CL_M_FILES)
        shown = *(struct cl_msg_functions *)msg;
    if (type != CL_M_FILE)
        return;
    assert_true(fd >= 0);
    strcat(names, ((struct cl_msg_function *)msg)->name);
    strcat(names, " ");
}

static void run(const char *line)
{
    char full[512];

    snprintf(full, sizeof(full), "cd %s && umask 022 && %s", folder, line);
    assert_int_equal(system(full), 0);
}

static int setup(void **state)
{
    int pair[2];

    (void)state;
    strcpy(folder, "/tmp/sources.XXXXXX");
    assert_non_null(mkdtemp(folder));
    chmod(folder, 0755);
    run("mkdir policies functions");
    assert_works(cl_fdpass_pair(SOCK_SEQPACKET, pair, &err), &err);
    memset(&loader, 0, sizeof(loader));
    loader.config = folder;
    loader.compiler.fd = pair[0];
    loader.edits.watch.fd = -1;
    cl_list_init(&loader.loaded);
    cl_list_init(&loader.in_force);
    policyc = pair[1];
    names[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_functions_forget(&loader.loaded, &loader.edits);
    cl_functions_forget(&loader.in_force, &loader.edits);
    close(loader.compiler.fd);
    close(policyc);
    run("rm -rf policies functions tenants.yaml cloche.yaml");
    rmdir(folder);
    return 0;
}

/* The next message policyc would get; its name. */
static const char *next(uint32_t *type, uint32_t *kind)
{
    static union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t count = 0;

    assert_int_equal(cl_msg_recv(policyc, CL_WAY_LOADER_TO_POLICYC, &msg, fds, &count, &err),
                     1);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    *type = msg.head.type;
    *kind = msg.source.kind;
    assert_int_equal(count, *type == CL_M_SOURCE && !msg.source.embedded);
    return msg.source.name;
}

static void policy_names_are_plain(void **state)
{
    static const char *const good[] = { "a", "default", "a-b_c", "0" };
    static const char *const bad[] = { "", "-a", "_a", "A", "a.b", "a/b", "a b", ".." };
    char longest[65];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(cl_sources_check_name(good[i], strlen(good[i])), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(cl_sources_check_name(bad[i], strlen(bad[i])), -1);
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(cl_sources_check_name(longest, 63), 0);
    assert_int_equal(cl_sources_check_name(longest, 64), -1);
    assert_int_equal(cl_sources_check_name("a\0b", 3), -1);
}

static void policies_tenants_and_the_shipped_ones_are_asked(void **state)
{
    uint32_t type = 0, kind = 0, seen = 0, tenants = 0, settings = 0;

    (void)state;
    run("echo x > policies/one.yaml && echo x > policies/default.yaml && echo x > tenants.yaml"
        " && echo x > cloche.yaml && echo x > policies/README && echo x > "
        "policies/.two.yaml.swp");
    assert_works(cl_sources_ask(&loader, &err), &err);
    while (type != CL_M_COMPILE) {
        const char *name = next(&type, &kind);
        seen += type == CL_M_SOURCE;
        tenants +=
            type == CL_M_SOURCE && kind == CL_SOURCE_TENANTS && strcmp(name, "tenants") == 0;
        settings +=
            type == CL_M_SOURCE && kind == CL_SOURCE_SETTINGS && strcmp(name, "cloche") == 0;
    }
    assert_int_equal(seen, 5); /* tenants, cloche, one, default and the shipped strict */
    assert_int_equal(tenants, 1);
    assert_int_equal(settings, 1);
    assert_int_equal(loader.asked_count, 3);
}

static const struct {
    const char *make;
    const char *says;
} refused[] = {
    { "echo x > policies/Upper.yaml", "a policy file is named <name>.yaml" },
    { "echo x > policies/one.yml", "a policy file is named <name>.yaml" },
    { "echo x > policies/one.yaml && chmod 666 policies/one.yaml", "writable by" },
    { "chmod 777 policies", "writable by" },
    { "ln -s /etc/passwd policies/one.yaml", "open policies/one.yaml" },
    { "mkdir policies/one.yaml", "not a regular file" },
    { "echo x > cloche.yaml && chmod 666 cloche.yaml", "writable by" },
    { "ln -s /etc/passwd cloche.yaml", "cloche.yaml" },
    { "echo x > tenants.yaml && chmod 666 tenants.yaml", "writable by" },
    { "ln -s /etc/passwd tenants.yaml", "tenants.yaml" },
    { "mkfifo tenants.yaml", "not a regular file" },
};

static void unfit_files_refuse_all_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        run("rm -rf policies tenants.yaml cloche.yaml && mkdir policies");
        run(refused[i].make);
        loader.asked_count = 0;
        err.text[0] = '\0';
        if (cl_sources_ask(&loader, &err) == 0 || !strstr(err.text, refused[i].says))
            fail_msg("%s: %s", refused[i].make, err.text);
    }
}

static void show(void)
{
    struct cl_tenant_file file = { .name = "acme" };

    snprintf(file.functions_dir, sizeof(file.functions_dir), "%s/functions", folder);
    cl_functions_add(&loader, &file);
    cl_list_for (struct cl_loader_tenant, tenant, node, &loader.loaded) {
        cl_list_unlink(&tenant->node);
        cl_list_append(&loader.in_force, &tenant->node);
    }
    cl_functions_show(&loader, true);
}

static void functions_are_shown_and_unfit_files_named(void **state)
{
    (void)state;
    run("cd functions && echo x > good.py && echo x > notes.txt && echo x > .hidden.py"
        " && ln -s /etc/passwd out.py");
    show();
    assert_string_equal(shown.tenant, "acme");
    assert_string_equal(names, "good ");
    assert_int_equal(shown.count, 1);
    assert_int_equal(shown.refused, 1);
    assert_non_null(strstr(shown.text, "out.py"));
}

static void functions_of_a_directory_of_others_are_not_shown(void **state)
{
    (void)state;
    run("echo x > functions/good.py && chmod 777 functions");
    show();
    assert_int_equal(shown.count, 0);
    assert_int_equal(shown.refused, 1);
    assert_non_null(strstr(shown.text, "writable by"));
    assert_string_equal(names, "");
}

static void functions_are_bounded(void **state)
{
    char line[96];

    (void)state;
    snprintf(line, sizeof(line), "cd functions && for i in $(seq %d); do : > f$i.py; done",
             CL_LOADER_FUNCTIONS_MAX + 1);
    run(line);
    loader.edits.watch.fd = -1;
    names[0] = '\0';
    show();
    assert_int_equal(shown.count, CL_LOADER_FUNCTIONS_MAX);
    assert_int_equal(shown.refused, 1);
    assert_non_null(strstr(shown.text, "more than"));
}

static void token_is_made_once_and_private(void **state)
{
    cl_close_auto int dir = open(folder, O_RDONLY | O_DIRECTORY);
    char first[128] = "", second[128] = "";
    struct stat found;

    (void)state;
    cl_close_auto int made = cl_sources_open_token(dir, &err);
    assert_int_equal(fstat(made, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    assert_int_equal(read(made, first, sizeof(first) - 1), 4 + 64 + 1);
    assert_memory_equal(first, "clt_", 4);
    cl_close_auto int again = cl_sources_open_token(dir, &err);
    assert_true(read(again, second, sizeof(second) - 1) > 0);
    assert_string_equal(first, second);
    run("chmod 644 local.token");
    assert_fails(cl_sources_open_token(dir, &err), &err, CL_E_DENIED);
    run("rm local.token && ln -s /etc/passwd local.token");
    assert_fails(cl_sources_open_token(dir, &err), &err, CL_E_SYS);
    run("rm local.token");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_names_are_plain),
        CASE(policies_tenants_and_the_shipped_ones_are_asked),
        CASE(unfit_files_refuse_all_of_it),
        CASE(functions_are_shown_and_unfit_files_named),
        CASE(functions_of_a_directory_of_others_are_not_shown),
        CASE(functions_are_bounded),
        CASE(token_is_made_once_and_private),
    };

    return geteuid() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
