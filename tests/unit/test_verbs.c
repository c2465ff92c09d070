/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an admin sees: the verbs' output against tests/golden/policies/, their exit status.
 * CLOCHE_GOLDEN=write puts new output there, to be read before it is committed.
 * Runs in: the unit tests, from the top of the tree.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "policies/verbs.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { OUTPUT_MAX = 64 << 10, ARGS_MAX = 8 };

#define GOLDEN "tests/golden/policies/"

static char shown[OUTPUT_MAX];

/* The verb in a process of its own, both of its streams in one file. */
static int run(int (*verb)(int, char **), const char *const *words)
{
    cl_close_auto int out = memfd_create("out", MFD_CLOEXEC);
    char *args[ARGS_MAX] = { NULL };
    int count = 0, status = 0;

    for (; words[count]; count++)
        args[count] = strdup(words[count]);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
            _exit(99);
        status = verb(count, args);
        exit(status); /* not _exit: what it leaks shows under the sanitizer */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    ssize_t length = pread(out, shown, sizeof(shown) - 1, 0);
    assert_true(length >= 0);
    shown[length] = '\0';
    while (count-- > 0)
        free(args[count]);
    return WEXITSTATUS(status);
}

static void write_golden(const char *path)
{
    cl_close_auto int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct cl_err err = CL_ERR_INIT;

    assert_true(file >= 0);
    assert_works(cl_file_write_all(file, shown, strlen(shown), &err), &err);
}

static void assert_golden(const char *path)
{
    static char wanted[OUTPUT_MAX];
    struct cl_err err = CL_ERR_INIT;
    const char *wish = getenv("CLOCHE_GOLDEN");

    if (wish && strcmp(wish, "write") == 0)
        write_golden(path);
    assert_works(cl_file_get(AT_FDCWD, path, wanted, sizeof(wanted), &err), &err);
    assert_string_equal(shown, wanted);
}

struct row {
    int (*verb)(int, char **);
    const char *words[ARGS_MAX];
    int status;
    const char *golden; /* NULL: says nothing */
};

static const struct row rows[] = {
    { cl_verb_check, { GOLDEN "bad.yaml" }, CL_VERB_REFUSED, GOLDEN "bad.txt" },
    { cl_verb_check, { GOLDEN "cross.yaml" }, CL_VERB_REFUSED, GOLDEN "cross.txt" },
    { cl_verb_check, { GOLDEN "double.yaml" }, CL_VERB_REFUSED, GOLDEN "double.txt" },
    { cl_verb_check, { GOLDEN "idle.yaml" }, CL_VERB_OK, GOLDEN "idle.txt" },
    { cl_verb_check, { GOLDEN "child.yaml" }, CL_VERB_OK, NULL },
    { cl_verb_check, { GOLDEN "missing.yaml" }, CL_VERB_REFUSED, GOLDEN "missing.txt" },
    { cl_verb_check, { GOLDEN "badtenants.yaml" }, CL_VERB_REFUSED, GOLDEN "badtenants.txt" },
    { cl_verb_check, { GOLDEN "besides/tenants.yaml" }, CL_VERB_REFUSED, GOLDEN "besides.txt" },
    { cl_verb_check, { "docs/examples/tenants/tenants.yaml" }, CL_VERB_OK, NULL },
    { cl_verb_check, { "default", "strict" }, CL_VERB_OK, NULL },
    { cl_verb_check,
      { "policies/default.yaml", "policies/strict.yaml", "policies/examples/numeric.yaml",
        "policies/examples/threads.yaml", "policies/examples/files.yaml",
        "policies/examples/native.yaml" },
      CL_VERB_OK,
      NULL },
    { cl_verb_explain, { GOLDEN "child.yaml", "--syscalls" }, CL_VERB_OK, GOLDEN "child.txt" },
    { cl_verb_explain, { "default", "--syscalls" }, CL_VERB_OK, GOLDEN "default.txt" },
    { cl_verb_explain, { GOLDEN "bad.yaml" }, CL_VERB_REFUSED, GOLDEN "bad.txt" },
    { cl_verb_check, { "--oci", GOLDEN "profile.json" }, CL_VERB_OK, GOLDEN "profile.txt" },
    { cl_verb_check, { "--oci", GOLDEN "list.txt" }, CL_VERB_REFUSED, GOLDEN "noprofile.txt" },
    { cl_verb_check, { "--oci", "/nowhere/x" }, CL_VERB_REFUSED, GOLDEN "nowhere.txt" },
    { cl_verb_check, { "--oci" }, CL_VERB_USAGE, NULL },
    { cl_verb_explain, { "policies/examples/files.yaml" }, CL_VERB_OK, GOLDEN "files.txt" },
    { cl_verb_diff,
      { "policies/strict.yaml", GOLDEN "child.yaml" },
      CL_VERB_FAILED,
      GOLDEN "diff.txt" },
    { cl_verb_diff, { "default", "policies/default.yaml" }, CL_VERB_OK, NULL },
    /* the second extends the first, or the first what stands behind both */
    { cl_verb_diff,
      { GOLDEN "child.yaml", GOLDEN "grand.yaml" },
      CL_VERB_FAILED,
      GOLDEN "grand.txt" },
    { cl_verb_diff,
      { GOLDEN "grand.yaml", GOLDEN "child.yaml", GOLDEN "child.yaml" },
      CL_VERB_FAILED,
      GOLDEN "grandback.txt" },
    { cl_verb_diff,
      { GOLDEN "grand.yaml", GOLDEN "child.yaml" },
      CL_VERB_REFUSED,
      GOLDEN "orphan.txt" },
    { cl_verb_diff, { "strict", GOLDEN "double.yaml" }, CL_VERB_REFUSED, GOLDEN "double.txt" },
    { cl_verb_diff, { GOLDEN "double.yaml", "strict" }, CL_VERB_REFUSED, GOLDEN "double.txt" },
    { cl_verb_diff,
      { "strict", "/nowhere/x.yaml" },
      CL_VERB_REFUSED,
      GOLDEN "diffmissing.txt" },
    { cl_verb_list, { NULL }, CL_VERB_OK, GOLDEN "list.txt" },
    { cl_verb_reference, { NULL }, CL_VERB_OK, "docs/policy-reference.md" },
    { cl_verb_compile,
      { GOLDEN "bad.yaml", "-o", "/dev/null" },
      CL_VERB_REFUSED,
      GOLDEN "bad.txt" },
    { cl_verb_compile,
      { "default", "-o", "/nowhere/x" },
      CL_VERB_FAILED,
      GOLDEN "nowhere.txt" },
    { cl_verb_check, { NULL }, CL_VERB_USAGE, NULL },
    { cl_verb_compile, { "default" }, CL_VERB_USAGE, NULL },
    { cl_verb_compile, { "default", "out", "-o" }, CL_VERB_USAGE, NULL },
    { cl_verb_diff, { "default" }, CL_VERB_USAGE, NULL },
    { cl_verb_explain, { NULL }, CL_VERB_USAGE, NULL },
    { cl_verb_explain, { "--syscalls" }, CL_VERB_USAGE, NULL },
    { cl_verb_list, { "all" }, CL_VERB_USAGE, NULL },
    { cl_verb_reference, { "all" }, CL_VERB_USAGE, NULL },
};

static void verbs_say_what_was_agreed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        int status = run(rows[i].verb, rows[i].words);
        if (status != rows[i].status)
            fail_msg("row %zu: status %d, not %d\n%s", i, status, rows[i].status, shown);
        if (rows[i].golden)
            assert_golden(rows[i].golden);
        else
            assert_string_equal(shown, "");
    }
}

static void compiled_file_passes_the_readers_check(void **state)
{
    static char bytes[OUTPUT_MAX];
    char path[] = "/tmp/cloche-verbs-XXXXXX";
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    /* The parent of the first is a given file, not an embedded one. */
    const char *const words[] = { GOLDEN "child.yaml", "policies/strict.yaml", "-o", path,
                                  NULL };
    assert_int_equal(run(cl_verb_compile, words), CL_VERB_OK);
    ssize_t length = read(file, bytes, sizeof(bytes));
    assert_works(cl_policyview_check(bytes, (size_t)length, &err), &err);
    assert_string_equal(((const struct cl_policy *)(const void *)bytes)->name, "child");
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_say_what_was_agreed),
        cmocka_unit_test(compiled_file_passes_the_readers_check),
    };

    return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
