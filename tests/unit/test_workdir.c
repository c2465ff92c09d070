/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a call: only below their root, whole, and back again by glob.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "runtime/emit.h"
#include "runtime/workdir.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

static char root[64];
static struct cl_call call;

static int make_root(void **state)
{
    (void)state;
    memset(&call, 0, sizeof(call));
    snprintf(root, sizeof(root), "/tmp/cloche-workdir.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static struct cl_bytes text(const char *bytes)
{
    return (struct cl_bytes){ bytes, strlen(bytes) };
}

static void add_file(const char *path, const char *content)
{
    call.file_path[call.file_count] = text(path);
    call.file_content[call.file_count++] = text(content);
}

static void wants_content(const char *name, const char *content)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char seen[64];

    assert_works(cl_file_get(dir, name, seen, sizeof(seen), &err), &err);
    assert_string_equal(seen, content);
}

static void put_writes_files_and_their_folders(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    add_file("in.csv", "a,b\n");
    add_file("deep/er/x.bin", "x");
    add_file("deep/y", "");
    assert_works(cl_workdir_put(root, &call, &err), &err);
    wants_content("in.csv", "a,b\n");
    wants_content("deep/er/x.bin", "x");
    wants_content("deep/y", "");
}

static void put_refuses_paths_that_lead_out(void **state)
{
    static const char *const paths[] = { "",    "/etc/x", "..", "../x", "a/../../x", ".",
                                         "./x", "a//b",   "a/", "a/.",  "a/.." };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(paths); i++) {
        struct cl_err err = CL_ERR_INIT;

        call.file_count = 0;
        add_file(paths[i], "x");
        assert_fails(cl_workdir_put(root, &call, &err), &err, CL_E_INPUT);
    }
    assert_false(cl_workdir_is_plain((struct cl_bytes){ "a\0b", 3 }));
    assert_true(cl_workdir_is_plain(text("a/b.c/..d/e..")));
}

static void put_fails_when_a_path_is_taken(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    add_file("a", "x");
    add_file("a/b", "x");
    assert_fails(cl_workdir_put(root, &call, &err), &err, CL_E_SYS);
    call.file_count = 0;
    add_file("a", "x");
    assert_fails(cl_workdir_put(root, &call, &err), &err, CL_E_SYS);
}

/* Everything that the worker sends for these globs: "path=content;" in order. */
static void wants_sent(const char *const *globs, const char *expected)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_frame_call caps = { .files_bytes = 1 << 20 };
    struct cl_frame frame;
    char seen[1024] = "";
    int pair[2];

    call.artifact_count = 0;
    for (; *globs; globs++)
        call.artifact[call.artifact_count++] = text(*globs);
    assert_works(cl_fdpass_pair(SOCK_STREAM, pair, &err), &err);
    cl_emit_open(pair[1], &caps);
    assert_works(cl_workdir_send(root, &call, &err), &err);
    close(pair[1]);
    while (recv(pair[0], &frame, sizeof(frame), MSG_WAITALL) == sizeof(frame)) {
        char body[256] = "";
        struct cl_frame_file head;

        assert_int_equal(frame.type, CL_F_FILE_OUT);
        assert_int_equal(recv(pair[0], body, frame.length, MSG_WAITALL), frame.length);
        memcpy(&head, body, sizeof(head));
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s=%s;",
                 (int)head.path_length, body + sizeof(head),
                 body + sizeof(head) + head.path_length);
    }
    close(pair[0]);
    assert_string_equal(seen, expected);
}

static void send_takes_what_matches_in_order(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    add_file("out/b.png", "B");
    add_file("out/a.png", "A");
    add_file("out/sub/c.png", "C");
    add_file("top.txt", "T");
    assert_works(cl_workdir_put(root, &call, &err), &err);
    wants_sent((const char *const[]){ "out/*.png", NULL }, "out/a.png=A;out/b.png=B;");
    wants_sent((const char *const[]){ "**.png", NULL },
               "out/a.png=A;out/b.png=B;out/sub/c.png=C;");
    wants_sent((const char *const[]){ "*", NULL }, "top.txt=T;");
    wants_sent((const char *const[]){ "top.txt", "t*.txt", NULL }, "top.txt=T;");
    wants_sent((const char *const[]){ "none*", NULL }, "");
    wants_sent((const char *const[]){ NULL }, "");
}

static void send_follows_no_link_and_sends_only_regular_files(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/link", root);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/folder", root);
    assert_int_equal(symlink("/etc", path), 0);
    snprintf(path, sizeof(path), "%s/pipe", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    wants_sent((const char *const[]){ "**", NULL }, "");
}

static void send_of_a_huge_file_is_a_limit(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char path[128];

    (void)state;
    add_file("huge", "x");
    assert_works(cl_workdir_put(root, &call, &err), &err);
    snprintf(path, sizeof(path), "%s/huge", root);
    assert_int_equal(truncate(path, CL_FRAME_OUT_MAX), 0);
    call.artifact[0] = text("*");
    call.artifact_count = 1;
    assert_fails(cl_workdir_send(root, &call, &err), &err, CL_E_LIMIT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(put_writes_files_and_their_folders),
        CASE(put_refuses_paths_that_lead_out),
        CASE(put_fails_when_a_path_is_taken),
        CASE(send_takes_what_matches_in_order),
        CASE(send_follows_no_link_and_sends_only_regular_files),
        CASE(send_of_a_huge_file_is_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
