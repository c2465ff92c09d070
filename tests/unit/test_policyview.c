/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled policies: a good one is read as written, one wrong field refuses it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "tests/support/policy_sample.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static struct policy_sample sample;

static int init(void **state)
{
    (void)state;
    policy_sample_init(&sample);
    return 0;
}

/* A memfd of the first `size` bytes of the sample. */
static int memfd_of(size_t size, int seals)
{
    int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    size_t filled = size < sizeof(sample) ? size : sizeof(sample);
    assert_int_equal(pwrite(fd, &sample, filled, 0), filled);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static int check(struct cl_err *err)
{
    return cl_policyview_check(&sample, sizeof(sample), err);
}

static void sealed_policy_opens_and_reads_as_written(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = -1;

    (void)state;
    fd = memfd_of(sizeof(sample), ALL_SEALS);
    const struct cl_policy *policy = cl_policyview_open(fd, &err);
    if (!policy)
        fail_msg("%s", err.text);
    assert_memory_equal(policy, &sample, sizeof(sample));

    const char *text = cl_policyview_text(policy, &policy->modules, NULL);
    assert_string_equal(text, "math");
    text = cl_policyview_text(policy, &policy->modules, text);
    assert_string_equal(text, "json");
    text = cl_policyview_text(policy, &policy->modules, text);
    assert_string_equal(text, "urllib.parse");
    assert_null(cl_policyview_text(policy, &policy->modules, text));
    assert_memory_equal(cl_policyview_records(policy, &policy->filter), sample.filter,
                        sizeof(sample.filter));
    cl_policyview_close(policy);
    cl_policyview_close(NULL);
}

static void policy_that_lacks_a_seal_is_refused(void **state)
{
    static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(seals); i++) {
        cl_close_auto int fd = -1;
        fd = memfd_of(sizeof(sample), ALL_SEALS & ~seals[i]);
        assert_null(cl_policyview_open(fd, &err));
        assert_int_equal(err.kind, CL_E_INPUT);
    }
    cl_close_auto int fd = -1;
    fd = memfd_of(sizeof(sample), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    assert_null(cl_policyview_open(fd, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
}

static void what_is_no_memfd_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int null = -1;

    (void)state;
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_null(cl_policyview_open(null, &err));
    assert_int_equal(err.kind, CL_E_SYS);
    assert_null(cl_policyview_open(-1, &err));
    assert_int_equal(err.sys, EBADF);
}

static void file_of_a_wrong_size_is_refused_before_it_is_mapped(void **state)
{
    static const size_t sizes[] = { 0, sizeof(struct cl_policy) - 1, CL_POLICY_BYTES_MAX + 1 };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(sizes); i++) {
        cl_close_auto int fd = -1;
        fd = memfd_of(sizes[i], ALL_SEALS);
        assert_null(cl_policyview_open(fd, &err));
        assert_int_equal(err.kind, CL_E_INPUT);
    }
}

static void sealed_but_wrong_policy_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = -1;

    (void)state;
    sample.head.wall_ms = 0;
    fd = memfd_of(sizeof(sample), ALL_SEALS);
    assert_null(cl_policyview_open(fd, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
    assert_memory_equal(err.text, "wall_ms", 7);
}

static void mapping_that_fails_is_an_error(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char path[64];
    cl_close_auto int fd = -1;
    cl_close_auto int write_only = -1;

    (void)state;
    fd = memfd_of(sizeof(sample), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    write_only = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(write_only >= 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    assert_null(cl_policyview_open(write_only, &err));
    assert_int_equal(err.kind, CL_E_SYS);
    assert_int_equal(err.sys, EACCES);
}

static void unaligned_bytes_are_checked_too(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    cl_free_auto char *bytes = malloc(sizeof(sample) + 1);

    (void)state;
    assert_non_null(bytes);
    memcpy(bytes + 1, &sample, sizeof(sample));
    assert_works(cl_policyview_check(bytes + 1, sizeof(sample), &err), &err);
}

static void every_cut_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t length = 0; length < sizeof(sample); length++) {
        assert_fails(cl_policyview_check(&sample, length, &err), &err, CL_E_INPUT);
        if (length >= sizeof(sample.head)) {
            sample.head.size = (uint32_t)length;
            /* Up to the last text the file is too short; behind it is only padding. */
            int result = cl_policyview_check(&sample, length, &err);
            size_t end = sample.head.description.offset + sample.head.description.length;
            assert_int_equal(result, length < end ? -1 : 0);
            sample.head.size = sizeof(sample);
        }
    }
}

static void head_of_another_build_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    sample.head.magic++;
    assert_fails(check(&err), &err, CL_E_INPUT);
    sample.head.magic--;
    sample.head.version++;
    assert_fails(check(&err), &err, CL_E_INPUT);
    sample.head.version--;
    sample.head.size++;
    assert_fails(check(&err), &err, CL_E_INPUT);
    assert_fails(cl_policyview_check(&sample, CL_POLICY_BYTES_MAX + 1, &err), &err, CL_E_INPUT);
}

static void names_keep_to_their_grammar(void **state)
{
    static const char *const wrong[] = { "",    "-a",  "_a",       "A",  "a.b",
                                         "a/b", "a b", "\xc3\xbc", "a\n" };
    static const char *const right[] = { "a", "0", "a-b_c9", "default" };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        memset(sample.head.name, 0, sizeof(sample.head.name));
        memcpy(sample.head.name, wrong[i], strlen(wrong[i]));
        assert_fails(check(&err), &err, CL_E_INPUT);
    }
    for (size_t i = 0; i < CL_COUNT(right); i++) {
        memset(sample.head.name, 0, sizeof(sample.head.name));
        memcpy(sample.head.name, right[i], strlen(right[i]));
        assert_works(check(&err), &err);
    }
    memset(sample.head.name, 'a', sizeof(sample.head.name) - 1);
    assert_works(check(&err), &err);
    memset(sample.head.name, 'a', sizeof(sample.head.name));
    assert_fails(check(&err), &err, CL_E_INPUT);
}

static const struct {
    size_t offset;
    size_t size;
    uint64_t least;
    uint64_t most;
} numbers[] = {
#define NUMBER(field) offsetof(struct cl_policy, field), sizeof(sample.head.field)
    { NUMBER(wall_ms), 1, 86400000 },
    { NUMBER(cpu_ms), 1, 86400000 },
    { NUMBER(memory_bytes), 4194304, (uint64_t)1 << 40 },
    { NUMBER(output_bytes), 0, (uint64_t)16 << 30 },
    { NUMBER(result_bytes), 1, 1 << 24 },
    { NUMBER(request_bytes), 1, 1 << 30 },
    { NUMBER(files_bytes), 0, (uint64_t)64 << 30 },
    { NUMBER(inodes), 0, 1 << 24 },
    { NUMBER(processes), 1, 32768 },
    { NUMBER(cpu_weight), 1, 10000 },
    { NUMBER(cpu_max_milli), 0, 1024000 },
    { NUMBER(pool_max), 2, 512 }, /* pool_min is 2 */
    { NUMBER(pool_min), 0, 32 },  /* pool_max is 32 */
    { NUMBER(recycle_calls), 0, UINT32_MAX },
    { NUMBER(recycle_after_ms), 0, (uint64_t)365 * 86400000 },
    { NUMBER(session_idle_ms), 0, (uint64_t)365 * 86400000 },
    { NUMBER(session_max_ms), 0, (uint64_t)365 * 86400000 },
    { NUMBER(session_threads), 0, 32768 },
    { NUMBER(reserved), 0, 0 },
    { NUMBER(flags), 0, 511 },
    { NUMBER(tiers), 0, 63 },
#undef NUMBER
};

static int check_with(size_t i, uint64_t value, struct cl_err *err)
{
    policy_sample_init(&sample);
    /* Little endian: the low half of a wide number is the narrow one. */
    memcpy((char *)&sample.head + numbers[i].offset, &value, numbers[i].size);
    return check(err);
}

static void every_number_works_at_its_ends_and_is_refused_one_past(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(numbers); i++) {
        uint64_t top = numbers[i].size == 8 ? UINT64_MAX : UINT32_MAX;

        assert_works(check_with(i, numbers[i].least, &err), &err);
        assert_works(check_with(i, numbers[i].most, &err), &err);
        if (numbers[i].least > 0)
            assert_fails(check_with(i, numbers[i].least - 1, &err), &err, CL_E_INPUT);
        if (numbers[i].most < top) {
            assert_fails(check_with(i, numbers[i].most + 1, &err), &err, CL_E_INPUT);
            assert_fails(check_with(i, top, &err), &err, CL_E_INPUT);
        }
    }
}

static void filter_that_seccomp_would_refuse_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    sample.filter[1].jf = 2;
    assert_fails(check(&err), &err, CL_E_INPUT);
    assert_string_equal(err.text, "filter instruction 1 is out of range");
    policy_sample_init(&sample);
    sample.filter_zygote[2].code = 0xffff;
    assert_fails(check(&err), &err, CL_E_INPUT);
    policy_sample_init(&sample);
    sample.head.filter.count--;
    sample.head.filter.length -= (uint32_t)sizeof(struct sock_filter);
    assert_fails(check(&err), &err, CL_E_INPUT); /* now the branch leads outside */
}

#define sample_test(name) cmocka_unit_test_setup(name, init)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        sample_test(sealed_policy_opens_and_reads_as_written),
        sample_test(policy_that_lacks_a_seal_is_refused),
        sample_test(what_is_no_memfd_is_refused),
        sample_test(file_of_a_wrong_size_is_refused_before_it_is_mapped),
        sample_test(sealed_but_wrong_policy_is_refused),
        sample_test(mapping_that_fails_is_an_error),
        sample_test(unaligned_bytes_are_checked_too),
        sample_test(every_cut_is_refused),
        sample_test(head_of_another_build_is_refused),
        sample_test(names_keep_to_their_grammar),
        sample_test(every_number_works_at_its_ends_and_is_refused_one_past),
        sample_test(filter_that_seccomp_would_refuse_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
