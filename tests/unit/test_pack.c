/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is packed is what the readers see, sealed for good.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "policies/pack.h"
#include "policies/policy.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "tests/support/policy_case.h"

#define V "version: 1\n"

static void pack(const char *text, struct cl_buf *buf)
{
    struct policy_case made;
    struct cl_err err = CL_ERR_INIT;

    policy_case_open(&made, text);
    if (!made.spec)
        fail_msg("%s", made.first);
    assert_works(cl_pack_make(made.spec, buf, &err), &err);
    policy_case_fini(&made);
}

static const char full[] =
    V "description: All of it.\n"
      "python:\n"
      "  modules: [math, json, urllib.parse, uuid]\n"
      "  names: {uuid: [UUID, uuid4]}\n"
      "  preload: [json, math]\n"
      "  transitive: listed\n"
      "  eval: true\n"
      "  builtins: {remove: [open, input]}\n"
      "limits: {wall: 1s, cpu: 2s, memory: 64Mi, processes: 3, output: 4Ki, result: 5Ki,\n"
      "         request: 6Ki, files: 7Mi, inodes: 88}\n"
      "cpu: {weight: 9, max: 0.5}\n"
      "files: {read_only: [{source: /srv/a, target: /a}, {source: /srv/b, target: /b}]}\n"
      "syscalls: {tiers: [compute, time, threads, tmp_files], on_violation: errno}\n"
      "sessions: {allow: true, default: token, idle: 10s, max: 11s, threads: 12}\n"
      "isolation: policy\n"
      "pool: {min: 13, max: 14, recycle_calls: 15, recycle_after: 16s}\n";

static void assert_numbers(const struct cl_policy *policy)
{
    const struct {
        uint64_t got, wanted;
    } rows[] = {
        { policy->magic, CL_POLICY_MAGIC },
        { policy->version, CL_POLICY_VERSION },
        { policy->flags, 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 },
        { policy->wall_ms, 1000 },
        { policy->cpu_ms, 2000 },
        { policy->memory_bytes, 64 << 20 },
        { policy->processes, 3 },
        { policy->output_bytes, 4096 },
        { policy->result_bytes, 5120 },
        { policy->request_bytes, 6144 },
        { policy->files_bytes, 7 << 20 },
        { policy->inodes, 88 },
        { policy->cpu_weight, 9 },
        { policy->cpu_max_milli, 500 },
        { policy->tiers, 1 | 2 | 4 | 32 },
        { policy->session_idle_ms, 10000 },
        { policy->session_max_ms, 11000 },
        { policy->session_threads, 12 },
        { policy->pool_min, 13 },
        { policy->pool_max, 14 },
        { policy->recycle_calls, 15 },
        { policy->recycle_after_ms, 16000 },
    };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (rows[i].got != rows[i].wanted)
            fail_msg("number %zu: %lu, not %lu", i, rows[i].got, rows[i].wanted);
    }
}

static void assert_texts(const struct cl_policy *policy, const struct cl_policy_span *span,
                         const char *wanted)
{
    char joined[512] = "";

    for (const char *text = cl_policyview_text(policy, span, NULL); text;
         text = cl_policyview_text(policy, span, text)) {
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof(joined) - used, "%s%s", used ? " " : "", text);
    }
    assert_string_equal(joined, wanted);
}

static void packed_policy_reads_back_as_written(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    pack(full, &buf);
    cl_close_auto int file = cl_pack_seal(&buf, &err);
    assert_works(file, &err);
    const struct cl_policy *policy = cl_policyview_open(file, &err);
    if (!policy)
        fail_msg("%s", err.text);

    assert_string_equal(policy->name, "p");
    assert_numbers(policy);
    assert_texts(policy, &policy->modules, "math json urllib.parse uuid");
    assert_texts(policy, &policy->preload, "json math");
    assert_texts(policy, &policy->names, "uuid=UUID,uuid4");
    assert_texts(policy, &policy->builtins_removed, "open input");
    assert_texts(policy, &policy->binds, "/srv/a /a /srv/b /b");
    assert_texts(policy, &policy->description, "All of it.");
    assert_true(policy->filter.count + policy->filter_zygote.count > 100);
    const uint32_t *open = cl_policyview_records(policy, &policy->syscalls);
    assert_int_equal(open[0], SYS_read);
    assert_true(policy->syscalls.count > 40);
    cl_policyview_close(policy);
}

static void sealed_policy_cannot_be_changed(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    pack(V, &buf);
    cl_close_auto int file = cl_pack_seal(&buf, &err);
    assert_works(file, &err);
    assert_int_equal(pwrite(file, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(file, 1), -1);
    assert_int_equal(ftruncate(file, 1 << 20), -1);
    assert_int_equal(fcntl(file, F_ADD_SEALS, 0), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
    assert_true(fcntl(file, F_GETFD) & FD_CLOEXEC);
}

static void digest_changes_with_any_value_and_only_then(void **state)
{
    static const char *const texts[] = {
        V,
        V "limits: {wall: 6s}\n",
        V "limits: {cpu: 6s}\n",
        V "python: {modules: [a]}\n",
        V "python: {modules: [b]}\n",
        V "syscalls: {deny: [sched_yield]}\n",
        V "syscalls: {on_violation: errno}\n",
        V "description: text\n",
    };
    uint8_t digests[CL_COUNT(texts)][16];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(texts); i++) {
        CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
        pack(texts[i], &buf);
        memcpy(digests[i], ((const struct cl_policy *)(const void *)buf.bytes)->digest, 16);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digests[i], digests[j], 16);
    }

    CL_AUTO(cl_buf_fini) struct cl_buf again = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    pack("# a comment\nversion:   1\nlimits:\n  wall: 5000ms\n", &again);
    assert_memory_equal(((const struct cl_policy *)(const void *)again.bytes)->digest,
                        digests[0], 16);
}

static void preload_and_names_shrink_with_the_modules(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct policy_case made;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    policy_case_init(&made);
    policy_case_add(&made, "up",
                    V "python: {modules: [a, b], preload: [a, b], names: {a: [x], b: [y]}}\n");
    policy_case_add(&made, "p", V "extends: up\npython:\n  modules: -[a]\n");
    policy_case_resolve(&made, "p");
    assert_non_null(made.spec);
    assert_works(cl_pack_make(made.spec, &buf, &err), &err);
    const struct cl_policy *policy = (const struct cl_policy *)(const void *)buf.bytes;
    assert_texts(policy, &policy->preload, "b");
    assert_texts(policy, &policy->names, "b=y");
    policy_case_fini(&made);
}

static void preload_words_become_a_flag_and_no_list(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf all = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    CL_AUTO(cl_buf_fini) struct cl_buf none = CL_BUF_INIT(CL_POLICY_BYTES_MAX);

    (void)state;
    pack(V "python: {modules: [a], preload: all}\n", &all);
    pack(V "python: {modules: [a], preload: none}\n", &none);
    const struct cl_policy *policy = (const struct cl_policy *)(const void *)all.bytes;
    assert_int_equal(policy->flags, CL_POLICY_PRELOAD_ALL);
    assert_int_equal(policy->preload.count, 0);
    policy = (const struct cl_policy *)(const void *)none.bytes;
    assert_int_equal(policy->flags, 0);
    assert_int_equal(policy->preload.count, 0);
}

static void policy_that_does_not_fit_is_refused(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf small = CL_BUF_INIT(1024);
    struct policy_case made;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    policy_case_open(&made, V);
    assert_fails(cl_pack_make(made.spec, &small, &err), &err, CL_E_LIMIT);
    policy_case_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_policy_reads_back_as_written),
        cmocka_unit_test(sealed_policy_cannot_be_changed),
        cmocka_unit_test(digest_changes_with_any_value_and_only_then),
        cmocka_unit_test(preload_and_names_shrink_with_the_modules),
        cmocka_unit_test(preload_words_become_a_flag_and_no_list),
        cmocka_unit_test(policy_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests_name("pack", tests, NULL, NULL);
}
