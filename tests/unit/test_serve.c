/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policyc's end of its conversation with cloched, over a real socket pair.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "policies/confine.h"
#include "policies/serve.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/base/wire.h"

#define V "version: 1\n"

static int cloched = -1;
static pid_t policyc = -1;

/* The other end in a process of its own, confined as in production when asked. */
static void start(bool is_confined)
{
    struct cl_err err = CL_ERR_INIT;
    int pair[2];

    assert_works(cl_fdpass_pair(SOCK_SEQPACKET, pair, &err), &err);
    policyc = fork();
    assert_true(policyc >= 0);
    if (policyc == 0) {
        close(pair[0]);
        if (dup2(pair[1], CL_CONTROL_FD) < 0 || (is_confined && cl_confine_run(&err) < 0))
            _exit(2);
        int status = cl_serve_run(CL_CONTROL_FD, &err) < 0 ? 1 : 0;
        /* What it leaks shows under the sanitizer, which a confined process can't start. */
        if (!is_confined)
            exit(status);
        _exit(status);
    }
    close(pair[1]);
    cloched = pair[0];
}

static int stop(void)
{
    int status = 0;

    close(cloched);
    cloched = -1;
    assert_int_equal(waitpid(policyc, &status, 0), policyc);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void send_source(const char *name, const char *text)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;
    cl_close_auto int file = -1;

    memset(&msg, 0, sizeof(msg));
    strncpy(msg.source.name, name, sizeof(msg.source.name) - 1);
    msg.source.embedded = text == NULL;
    if (text) {
        file = memfd_create("source", MFD_CLOEXEC);
        assert_int_equal(write(file, text, strlen(text)), strlen(text));
    }
    assert_works(cl_msg_send(cloched, CL_M_SOURCE, &msg, &file, text ? 1 : 0, &err), &err);
}

static void send_compile(void)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;

    memset(&msg, 0, sizeof(msg));
    assert_works(cl_msg_send(cloched, CL_M_COMPILE, &msg, NULL, 0, &err), &err);
}

/* The next answer; the fd of COMPILED, else -1. */
static int next(union cl_msg_any *msg)
{
    struct cl_err err = CL_ERR_INIT;
    int fds[CL_FDPASS_MAX];
    size_t count = 0;
    int got = cl_msg_recv(cloched, CL_WAY_POLICYC_TO_LOADER, msg, fds, &count, &err);

    assert_works(got, &err);
    assert_int_equal(got, 1);
    return count ? fds[0] : -1;
}

static void expect_compiled(const char *name)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;
    cl_close_auto int file = next(&msg);

    assert_int_equal(msg.head.type, CL_M_COMPILED);
    assert_string_equal(msg.compiled.name, name);
    const struct cl_policy *policy = cl_policyview_open(file, &err);
    if (!policy)
        fail_msg("%s", err.text);
    assert_string_equal(policy->name, name);
    cl_policyview_close(policy);
}

static void expect_refused(const char *name, const char *says)
{
    union cl_msg_any msg;

    assert_int_equal(next(&msg), -1);
    assert_int_equal(msg.head.type, CL_M_REFUSED);
    assert_string_equal(msg.refused.name, name);
    if (!strstr(msg.refused.text, says))
        fail_msg("%s\nnot %s", msg.refused.text, says);
}

static void expect_done(uint32_t compiled, uint32_t refused)
{
    union cl_msg_any msg;

    assert_int_equal(next(&msg), -1);
    assert_int_equal(msg.head.type, CL_M_DONE);
    assert_int_equal(msg.done.compiled, compiled);
    assert_int_equal(msg.done.refused, refused);
}

/* ------------------------------------------------------------------------------------- tests */

static void good_sources_come_back_compiled(void **state)
{
    (void)state;
    start(true);
    send_source("default", NULL);
    send_source("child", V "extends: parent\n");
    send_source("parent", V "extends: strict\nlimits: {wall: 1s}\n");
    send_compile();
    expect_compiled("default");
    expect_compiled("child");
    expect_compiled("parent"); /* and not strict: nobody asked for it */
    expect_done(3, 0);
    assert_int_equal(stop(), 0);
}

static void each_problem_comes_back_with_its_file(void **state)
{
    (void)state;
    start(false);
    send_source("good", V);
    send_source("bad", V "limits: {wal: 1s, cpu: x}\n");
    send_source("child", V "extends: bad\n");
    send_source("torn", "a: [\n");
    send_source("lost", NULL);
    send_source("Bad", V);
    send_compile();
    expect_compiled("good");
    expect_refused("torn", "torn.yaml:2:1: error: not YAML");
    expect_refused("", "no policy 'lost' is embedded");
    expect_refused("", "'Bad' is no name of a policy");
    expect_refused("bad", "bad.yaml:2:10: error: unknown key 'wal' in 'limits'; did you mean");
    expect_refused("bad", "bad.yaml:2:24: error: limits.cpu: found x, expected a time");
    expect_refused("child", "child.yaml:2:10: error: extends: 'bad' was refused itself");
    expect_done(1, 6);
    assert_int_equal(stop(), 0);
}

static void warnings_do_not_refuse(void **state)
{
    (void)state;
    start(true);
    send_source("risky", V "python: {modules: [ctypes]}\n");
    send_compile();
    expect_compiled("risky");
    expect_done(1, 0);
    assert_int_equal(stop(), 0);
}

static void no_sources_are_done_at_once(void **state)
{
    (void)state;
    start(true);
    send_compile();
    expect_done(0, 0);
    assert_int_equal(stop(), 0);
}

static void source_that_is_no_file_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg = { .source = { .name = "pipe" } };
    int ends[2];

    (void)state;
    start(true);
    assert_int_equal(pipe(ends), 0);
    assert_works(cl_msg_send(cloched, CL_M_SOURCE, &msg, &ends[0], 1, &err), &err);
    close(ends[0]);
    close(ends[1]);
    expect_refused("pipe", "pipe.yaml: not a regular file");
    send_compile();
    expect_done(0, 1);
    assert_int_equal(stop(), 0);
}

static void file_over_the_cap_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg = { .source = { .name = "huge" } };
    cl_close_auto int file = memfd_create("huge", MFD_CLOEXEC);

    (void)state;
    start(true);
    assert_int_equal(ftruncate(file, (off_t)1 << 40), 0);
    assert_works(cl_msg_send(cloched, CL_M_SOURCE, &msg, &file, 1, &err), &err);
    send_compile();
    expect_refused("huge", "huge.yaml: error: longer than the 262144 bytes");
    expect_done(0, 1);
    assert_int_equal(stop(), 0);
}

static void send_tenants(const char *text)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg = { .source = { .kind = CL_SOURCE_TENANTS, .name = "tenants" } };
    cl_close_auto int file = memfd_create("tenants", MFD_CLOEXEC);

    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_works(cl_msg_send(cloched, CL_M_SOURCE, &msg, &file, 1, &err), &err);
}

static void tenants_come_after_policies_in_the_order_of_the_file(void **state)
{
    static const char *const names[] = { "zulu", "acme" };

    (void)state;
    start(true);
    send_tenants("version: 1\ntenants: {zulu: {policies: [p]}, acme: {policies: [strict]}}\n");
    send_source("p", "version: 1\nextends: strict\n");
    send_compile();
    expect_compiled("p");
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct cl_err err = CL_ERR_INIT;
        union cl_msg_any msg;
        cl_close_auto int file = next(&msg);

        assert_int_equal(msg.head.type, CL_M_COMPILED);
        assert_int_equal(msg.compiled.kind, CL_SOURCE_TENANTS);
        assert_string_equal(msg.compiled.name, names[i]);
        const struct cl_tenant_file *tenant = cl_tenantview_open(file, &err);
        if (!tenant)
            fail_msg("%s", err.text);
        assert_string_equal(tenant->name, names[i]);
        cl_tenantview_close(tenant);
    }
    expect_done(3, 0);
    assert_int_equal(stop(), 0);
}

static void tenant_of_an_unknown_policy_refuses_all_tenants(void **state)
{
    (void)state;
    start(true);
    send_tenants("version: 1\ntenants: {a: {policies: [strict]}, b: {policies: [p]}}\n");
    send_source("strict", NULL);
    send_compile();
    expect_compiled("strict");
    expect_refused("tenants", "tenants.yaml:2:51: error: there is no policy 'p'");
    expect_done(1, 1);
    assert_int_equal(stop(), 0);
}

static void tenants_come_once_and_with_a_file(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg = { .source = { .kind = CL_SOURCE_TENANTS, .embedded = 1 } };

    (void)state;
    start(true);
    send_tenants("version: 1\ntenants: {}\n");
    send_tenants("version: 1\ntenants: {}\n");
    assert_int_equal(stop(), 1);
    start(true);
    assert_works(cl_msg_send(cloched, CL_M_SOURCE, &msg, NULL, 0, &err), &err);
    assert_int_equal(stop(), 1);
}

static void leaving_before_compile_ends_it(void **state)
{
    (void)state;
    start(true);
    send_source("default", NULL);
    assert_int_equal(stop(), 1);
}

static void message_that_may_not_come_ends_it(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;

    (void)state;
    start(true);
    memset(&msg, 0, sizeof(msg));
    assert_works(cl_msg_send(cloched, CL_M_DONE, &msg, NULL, 0, &err), &err);
    assert_int_equal(stop(), 1);
}

/* In the child: 0 when everything that must fail fails. */
static int look_around(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct rlimit files = { 0, 0 };
    int open_before = dup(1);

    if (cl_confine_run(&err) < 0)
        return 1;
    if (fcntl(open_before, F_GETFD) != -1 || errno != EBADF)
        return 2;
    if (open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
        return 3;
    if (open("/tmp/cloche-confined", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
        return 4;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max > 512)
        return 5;
    return fork() >= 0 && geteuid() != 0 ? 6 : 0;
}

static void confined_process_opens_nothing(void **state)
{
    int status = 0;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        /* A low number for dup() that is above the control socket. */
        while (dup(1) < CL_CONTROL_FD + 1)
            ;
        _exit(look_around());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_sources_come_back_compiled),
        cmocka_unit_test(each_problem_comes_back_with_its_file),
        cmocka_unit_test(warnings_do_not_refuse),
        cmocka_unit_test(no_sources_are_done_at_once),
        cmocka_unit_test(source_that_is_no_file_is_refused),
        cmocka_unit_test(file_over_the_cap_is_refused),
        cmocka_unit_test(tenants_come_after_policies_in_the_order_of_the_file),
        cmocka_unit_test(tenant_of_an_unknown_policy_refuses_all_tenants),
        cmocka_unit_test(tenants_come_once_and_with_a_file),
        cmocka_unit_test(leaving_before_compile_ends_it),
        cmocka_unit_test(message_that_may_not_come_ends_it),
        cmocka_unit_test(confined_process_opens_nothing),
    };

    return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
