/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files: read whole or not at all, written at once, never through a symlink.
 * Runs in: tests only; read(2) and write(2) of the code under test go through the wraps below.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

/* What the next system call does instead of its work; the one after works again. */
static struct {
    int fails;      /* errno, 0: works */
    size_t at_most; /* bytes, 0: all */
} next_call;

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

static bool takes_fault(size_t *size)
{
    int fails = next_call.fails;

    if (next_call.at_most > 0 && *size > next_call.at_most)
        *size = next_call.at_most;
    memset(&next_call, 0, sizeof(next_call));
    errno = fails;
    return fails != 0;
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    return takes_fault(&size) ? -1 : __real_read(fd, bytes, size);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    return takes_fault(&size) ? -1 : __real_write(fd, bytes, size);
}

static char folder[64];
static int dir = -1;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/cloche-test-file-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
    char command[128];

    (void)state;
    close(dir);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void make_file(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void get_reads_the_whole_file(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[16];

    (void)state;
    make_file("some", "hello\n");
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 6);
    assert_string_equal(text, "hello\n");
    make_file("some", "");
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 0);
    assert_string_equal(text, "");
}

static void get_fills_the_room_and_fails_limit_one_past(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[6];

    (void)state;
    make_file("some", "12345");
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 5);
    make_file("some", "123456");
    assert_fails(cl_file_get(dir, "some", text, sizeof(text), &err), &err, CL_E_LIMIT);
    assert_string_equal(text, "");
}

static void get_goes_on_after_short_and_interrupted_reads(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[16];

    (void)state;
    make_file("some", "hello");
    next_call.at_most = 2;
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 5);
    next_call.fails = EINTR;
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 5);
}

static void get_fails_sys_on_what_cannot_be_read(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[16] = "before";

    (void)state;
    assert_fails(cl_file_get(dir, "none", text, sizeof(text), &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(text, "");
    assert_fails(cl_file_get(dir, ".", text, sizeof(text), &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, EISDIR);
}

static void get_follows_no_symlink_and_hangs_on_no_fifo(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[16];

    (void)state;
    make_file("target", "secret");
    assert_int_equal(symlinkat("target", dir, "link"), 0);
    assert_fails(cl_file_get(dir, "link", text, sizeof(text), &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ELOOP);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    alarm(10);
    assert_int_equal(cl_file_get(dir, "fifo", text, sizeof(text), &err), 0);
    alarm(0);
}

static void get_u64_takes_one_number_and_a_newline(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t value = 0;

    (void)state;
    make_file("n", "18446744073709551615\n");
    assert_works(cl_file_get_u64(dir, "n", &value, &err), &err);
    assert_true(value == UINT64_MAX);
    make_file("n", "0");
    assert_works(cl_file_get_u64(dir, "n", &value, &err), &err);
    assert_true(value == 0);
}

static void get_u64_refuses_everything_else(void **state)
{
    static const char *const texts[] = { "",
                                         "\n",
                                         "max\n",
                                         "-1",
                                         "+1",
                                         " 1",
                                         "1 2",
                                         "1\n\n",
                                         "0x10",
                                         "1.5",
                                         "18446744073709551616",
                                         "99999999999999999999" };
    struct cl_err err = CL_ERR_INIT;
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(texts); i++) {
        make_file("n", texts[i]);
        assert_fails(cl_file_get_u64(dir, "n", &value, &err), &err, CL_E_INPUT);
    }
    make_file("n", "100000000000000000000000000000");
    assert_fails(cl_file_get_u64(dir, "n", &value, &err), &err, CL_E_LIMIT);
    assert_fails(cl_file_get_u64(dir, "none", &value, &err), &err, CL_E_SYS);
    assert_true(value == 7);
}

static void put_replaces_the_text_of_an_existing_file(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[32];

    (void)state;
    make_file("some", "a much longer text");
    assert_works(cl_file_put(dir, "some", "short", &err), &err);
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 5);
    assert_works(cl_file_put_u64(dir, "some", UINT64_MAX, &err), &err);
    assert_int_equal(cl_file_get(dir, "some", text, sizeof(text), &err), 20);
    assert_string_equal(text, "18446744073709551615");
    next_call.fails = EINTR;
    assert_works(cl_file_put_u64(dir, "some", 12, &err), &err);
}

static void put_makes_no_file_and_follows_no_symlink(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(cl_file_put(dir, "none", "x", &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(faccessat(dir, "none", F_OK, 0), -1);
    make_file("target", "");
    assert_int_equal(symlinkat("target", dir, "way"), 0);
    assert_fails(cl_file_put(dir, "way", "x", &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ELOOP);
}

static void put_fails_sys_when_not_all_was_written(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    make_file("some", "");
    next_call.fails = ENOSPC;
    assert_fails(cl_file_put(dir, "some", "hello", &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOSPC);
    next_call.at_most = 2;
    assert_fails(cl_file_put(dir, "some", "hello", &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, EIO);
}

static void dir_opens_and_makes(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct stat seen;

    (void)state;
    assert_fails(cl_file_dir(dir, "sub", 0, &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOENT);
    for (int i = 0; i < 2; i++) {
        int made = cl_file_dir(dir, "sub", 0700, &err);
        assert_works(made, &err);
        assert_int_equal(fcntl(made, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fstat(made, &seen), 0);
        assert_int_equal(seen.st_mode, S_IFDIR | 0700);
        close(made);
    }
    assert_fails(cl_file_dir(dir, "no/where", 0700, &err), &err, CL_E_SYS);
    make_file("plain", "");
    assert_fails(cl_file_dir(dir, "plain", 0700, &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, ENOTDIR);
    assert_int_equal(symlinkat("sub", dir, "sublink"), 0);
    assert_fails(cl_file_dir(dir, "sublink", 0700, &err), &err, CL_E_SYS);
}

static void keyed_finds_whole_keys_only(void **state)
{
    static const char text[] = "usage_usec 42\nuser_usec 7\nbad x\nlast 9";
    uint64_t value = 0;

    (void)state;
    assert_int_equal(cl_file_keyed_u64(text, "usage_usec", &value), 0);
    assert_true(value == 42);
    assert_int_equal(cl_file_keyed_u64(text, "user_usec", &value), 0);
    assert_true(value == 7);
    assert_int_equal(cl_file_keyed_u64(text, "last", &value), 0);
    assert_true(value == 9);
    assert_int_equal(cl_file_keyed_u64(text, "usage", &value), -1);
    assert_int_equal(cl_file_keyed_u64(text, "usec", &value), -1);
    assert_int_equal(cl_file_keyed_u64(text, "bad", &value), -1);
    assert_int_equal(cl_file_keyed_u64("", "bad", &value), -1);
    assert_int_equal(cl_file_keyed_u64("k 1x\n", "k", &value), -1);
    assert_int_equal(cl_file_keyed_u64("\n\nk 1\n", "k", &value), 0);
    assert_int_equal(cl_file_keyed_u64("k", "k", &value), -1);
}

static void write_all_goes_on_until_all_is_written(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char bytes[8] = "";
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    next_call.at_most = 1;
    assert_works(cl_file_write_all(ends[1], "abcd", 4, &err), &err);
    next_call.fails = EINTR;
    assert_works(cl_file_write_all(ends[1], "efg", 3, &err), &err);
    assert_works(cl_file_write_all(ends[1], "", 0, &err), &err);
    assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 7);
    assert_memory_equal(bytes, "abcdefg", 7);
    close(ends[0]);
    close(ends[1]);
}

static void write_all_fails_lost_when_the_reader_is_gone(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_fails(cl_file_write_all(ends[1], "x", 1, &err), &err, CL_E_LOST);
    next_call.fails = ECONNRESET;
    assert_fails(cl_file_write_all(ends[1], "x", 1, &err), &err, CL_E_LOST);
    close(ends[1]);
    assert_fails(cl_file_write_all(-1, "x", 1, &err), &err, CL_E_SYS);
    assert_int_equal(err.sys, EBADF);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_reads_the_whole_file),
        cmocka_unit_test(get_fills_the_room_and_fails_limit_one_past),
        cmocka_unit_test(get_goes_on_after_short_and_interrupted_reads),
        cmocka_unit_test(get_fails_sys_on_what_cannot_be_read),
        cmocka_unit_test(get_follows_no_symlink_and_hangs_on_no_fifo),
        cmocka_unit_test(get_u64_takes_one_number_and_a_newline),
        cmocka_unit_test(get_u64_refuses_everything_else),
        cmocka_unit_test(put_replaces_the_text_of_an_existing_file),
        cmocka_unit_test(put_makes_no_file_and_follows_no_symlink),
        cmocka_unit_test(put_fails_sys_when_not_all_was_written),
        cmocka_unit_test(dir_opens_and_makes),
        cmocka_unit_test(keyed_finds_whole_keys_only),
        cmocka_unit_test(write_all_goes_on_until_all_is_written),
        cmocka_unit_test(write_all_fails_lost_when_the_reader_is_gone),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
