/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs compiled filters in a small BPF machine and compares every answer with what the rule
 * table says, over all combinations of tiers.
 * Runs in: the unit tests.
 * Trusts: nothing; test_filter_probe.c asks the kernel itself.
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "policies/filter.h"
#include "policies/risk.h"
#include "sandbox/base/own.h"

enum { NUMBERS = 600, ROUNDS = 200, ROWS_MAX = 512, POOL_MAX = 80, X32 = 0x40000000 };

static struct cl_filter filter, parts[2]; /* the whole; what zygote and worker load */
static bool is_split;

/* ------------------------------------------------------------------------- the BPF machine */

static bool branch(const struct sock_filter *step, uint32_t a)
{
    switch (BPF_OP(step->code)) {
    case BPF_JEQ:
        return a == step->k;
    case BPF_JGT:
        return a > step->k;
    case BPF_JGE:
        return a >= step->k;
    default:
        assert_int_equal(BPF_OP(step->code), BPF_JSET);
        return a & step->k;
    }
}

/* What libseccomp emits: load a word, and with a constant, branch, jump, return. */
static uint32_t run_one(const struct cl_filter *program, const struct seccomp_data *call)
{
    uint32_t a = 0;

    for (size_t at = 0; at < program->count; at++) {
        const struct sock_filter *step = &program->steps[at];
        if (step->code == (BPF_RET | BPF_K))
            return step->k;
        if (step->code == (BPF_LD | BPF_W | BPF_ABS))
            memcpy(&a, (const char *)call + step->k, sizeof(a));
        else if (step->code == (BPF_ALU | BPF_AND | BPF_K))
            a &= step->k;
        else if (step->code == (BPF_JMP | BPF_JA))
            at += step->k;
        else if (BPF_CLASS(step->code) == BPF_JMP)
            at += branch(step, a) ? step->jt : step->jf;
        else
            fail_msg("opcode 0x%x", step->code);
    }
    fail_msg("the filter has no end");
    return 0;
}

/* As seccomp_run_filters: the sternest action counts, KILL_PROCESS being the lowest number. */
static uint32_t sterner(uint32_t first, uint32_t second)
{
    return (int32_t)(second & SECCOMP_RET_ACTION_FULL) <
                   (int32_t)(first & SECCOMP_RET_ACTION_FULL)
               ? second
               : first;
}

/* The whole's answer, which the parts have to give as well. */
static uint32_t run(const struct seccomp_data *call)
{
    uint32_t whole = run_one(&filter, call);

    if (is_split) {
        uint32_t both = sterner(run_one(&parts[0], call), run_one(&parts[1], call));
        if (both != whole)
            fail_msg("call %d: 0x%x by the parts, 0x%x by the whole", call->nr, both, whole);
    }
    return whole;
}

static uint32_t answer(uint32_t number, const uint64_t args[6])
{
    struct seccomp_data call = { .nr = (int)number, .arch = AUDIT_ARCH_X86_64 };

    memcpy(call.args, args, sizeof(call.args));
    return run(&call);
}

/* ------------------------------------------------------------------- what the table would say */

static bool matches(const struct cl_rule *rule, const uint64_t args[6])
{
    for (size_t i = 0; i < CL_RULE_TESTS_MAX && rule->tests[i].op != CL_TEST_END; i++) {
        const struct cl_test *test = &rule->tests[i];
        uint64_t value = args[test->arg];
        bool is_hit = test->op == CL_TEST_BITS ? (value & test->mask) == test->value
                      : test->op == CL_TEST_IS ? value == test->value
                                               : value != test->value;
        if (!is_hit)
            return false;
    }
    return true;
}

static uint32_t action_of(const struct cl_rule *rule)
{
    if (rule->answer == CL_ANSWER_ALLOW)
        return SECCOMP_RET_ALLOW;
    if (rule->answer == CL_ANSWER_KILL)
        return SECCOMP_RET_KILL_PROCESS;
    return SECCOMP_RET_ERRNO | (uint32_t)rule->error;
}

/* The rows that count under the spec, and those of one call: found once for many calls. */
static const struct cl_rule *active[ROWS_MAX], *rows[ROWS_MAX];
static size_t active_count, row_count;

static void choose_active(const struct cl_spec *spec)
{
    active_count = 0;
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule))
        active[active_count++] = rule;
}

static void choose_rows(const char *name)
{
    row_count = 0;
    for (size_t i = 0; i < active_count; i++) {
        if (strcmp(active[i]->name, name) == 0)
            rows[row_count++] = active[i];
    }
}

static uint32_t expected(const struct cl_spec *spec, const char *name, const uint64_t args[6])
{
    uint32_t found = 0;
    bool is_found = false;

    if (cl_items_find(&spec->allow, name))
        return SECCOMP_RET_ALLOW;
    for (size_t i = 0; i < row_count; i++) {
        if (!matches(rows[i], args))
            continue;
        if (is_found && found != action_of(rows[i]))
            fail_msg("two rows of %s contradict each other", name);
        found = action_of(rows[i]);
        is_found = true;
    }
    if (is_found)
        return found;
    return spec->on_violation ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_TRAP;
}

/* ----------------------------------------------------------------------------------- helpers */

static struct cl_doc plain_doc = { .name = "plain" };

static struct cl_spec *spec_of(uint32_t tiers, uint64_t on_violation)
{
    static const char *const words[] = { "compute", "time",         "threads",
                                         "asyncio", "late_imports", "tmp_files" };
    static const struct cl_place nowhere;
    struct cl_spec *spec = cl_spec_new(&plain_doc);

    cl_items_fini(&spec->tiers);
    for (size_t i = 0; i < CL_COUNT(words); i++) {
        if (tiers & 1u << i)
            cl_items_add(&spec->tiers, words[i], nowhere);
    }
    spec->on_violation = on_violation;
    assert_int_equal(cl_spec_tiers(spec), tiers);
    return spec;
}

static void make(const struct cl_spec *spec)
{
    struct cl_err err = CL_ERR_INIT;

    is_split = cl_filter_splits(spec);
    if (cl_filter_make(spec, CL_FILTER_WHOLE, &filter, &err) < 0 ||
        (is_split && (cl_filter_make(spec, CL_FILTER_ZYGOTE, &parts[0], &err) < 0 ||
                      cl_filter_make(spec, CL_FILTER_WORKER, &parts[1], &err) < 0)))
        fail_msg("%s", err.text);
}

static uint64_t random_word(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Values near what the rules look at, often with dirt in the upper half. */
struct pool {
    uint64_t values[POOL_MAX];
    size_t count;
};

static void fill_pool(struct pool *pool, const char *name, unsigned arg)
{
    *pool = (struct pool){ { 0, 1, ~0ull, 0xffffffffu, random_word() }, 5 };
    for (size_t i = 0; i < cl_rules_count * CL_RULE_TESTS_MAX; i++) {
        const struct cl_rule *rule = &cl_rules[i / CL_RULE_TESTS_MAX];
        const struct cl_test *test = &rule->tests[i % CL_RULE_TESTS_MAX];
        if (test->op == CL_TEST_END || test->arg != arg || strcmp(rule->name, name) != 0)
            continue;
        assert_true(pool->count + 2 <= POOL_MAX);
        pool->values[pool->count++] = test->value;
        pool->values[pool->count++] = test->value | (random_word() & ~(uint64_t)test->mask);
    }
}

static uint64_t draw(const struct pool *pool)
{
    uint64_t value = pool->values[random_word() % pool->count];

    return random_word() % 4 == 0 ? value | random_word() << 32 : value;
}

static void compare_call(const struct cl_spec *spec, const char *name, uint32_t number)
{
    struct pool pools[6];

    choose_rows(name);
    for (unsigned arg = 0; arg < CL_COUNT(pools); arg++)
        fill_pool(&pools[arg], name, arg);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t args[6];
        for (unsigned arg = 0; arg < CL_COUNT(args); arg++)
            args[arg] = draw(&pools[arg]);
        uint32_t want = expected(spec, name, args);
        uint32_t got = answer(number, args);
        if (want != got)
            fail_msg("%s(%lx, %lx, %lx, %lx, %lx): 0x%x, not 0x%x", name, args[0], args[1],
                     args[2], args[3], args[4], got, want);
    }
}

static bool is_ruled(const char *name)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

static void compare_all(const struct cl_spec *spec)
{
    make(spec);
    choose_active(spec);
    for (size_t i = 0; i < cl_rules_count; i++) {
        bool is_first = i == 0 || strcmp(cl_rules[i - 1].name, cl_rules[i].name) != 0;
        int number = cl_risk_number(cl_rules[i].name);
        assert_true(number >= 0);
        if (is_first)
            compare_call(spec, cl_rules[i].name, (uint32_t)number);
    }
}

/* ------------------------------------------------------------------------------------- tests */

static void filter_answers_as_the_table_says_for_every_set_of_tiers(void **state)
{
    (void)state;
    for (uint32_t tiers = CL_TIER_COMPUTE; tiers <= 0x3f; tiers++) {
        for (uint64_t on_violation = 0; on_violation < 2; on_violation++) {
            struct cl_spec *spec = spec_of(tiers, on_violation);
            compare_all(spec);
            cl_spec_free(spec);
        }
    }
}

static void filter_traps_every_number_without_a_rule(void **state)
{
    static const uint64_t none[6];
    struct cl_spec *spec = spec_of(CL_TIER_COMPUTE | CL_TIER_TIME, 0);
    unsigned unruled = 0;

    (void)state;
    make(spec);
    for (uint32_t number = 0; number < NUMBERS; number++) {
        char name[64] = "";
        for (size_t i = 0; i < cl_rules_count; i++) {
            if (cl_risk_number(cl_rules[i].name) == (int)number)
                snprintf(name, sizeof(name), "%s", cl_rules[i].name);
        }
        if (is_ruled(name))
            continue;
        assert_int_equal(answer(number, none), SECCOMP_RET_TRAP);
        unruled++;
    }
    assert_true(unruled > 200);
    cl_spec_free(spec);
}

static void default_tiers_open_at_most_32_calls(void **state)
{
    struct cl_spec *spec = spec_of(CL_TIER_COMPUTE | CL_TIER_TIME, 0);
    bool is_open[NUMBERS] = { false };
    size_t count = 0;

    (void)state;
    make(spec);
    for (uint32_t number = 0; number < NUMBERS; number++) {
        for (unsigned round = 0; round < ROUNDS; round++) {
            uint64_t args[6];
            for (unsigned arg = 0; arg < CL_COUNT(args); arg++)
                args[arg] = random_word() % 2 ? random_word() % 64 : random_word();
            if (answer(number, args) == SECCOMP_RET_ALLOW)
                is_open[number] = true;
        }
        count += is_open[number];
    }
    assert_true(count >= 20);
    assert_true(count <= 32);
    assert_int_equal(count, filter.open_count);
    for (size_t i = 0; i < filter.open_count; i++)
        assert_true(is_open[filter.open[i]]);
    cl_spec_free(spec);
}

static void worker_loads_little_where_the_entry_has_no_rules_of_its_own(void **state)
{
    static const struct {
        uint32_t tiers;
        bool splits;
    } cases[] = {
        { CL_TIER_COMPUTE, true },
        { CL_TIER_COMPUTE | CL_TIER_TIME, true },
        { CL_TIER_COMPUTE | CL_TIER_THREADS, false },      /* prlimit64 */
        { CL_TIER_COMPUTE | CL_TIER_LATE_IMPORTS, false }, /* openat */
        { CL_TIER_COMPUTE | CL_TIER_ASYNCIO, false },      /* sendto */
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        struct cl_spec *spec = spec_of(cases[i].tiers, 0);
        make(spec);
        assert_int_equal(is_split, cases[i].splits);
        if (is_split)
            assert_true(parts[1].count * 3 < filter.count);
        cl_spec_free(spec);
    }
}

static void parts_answer_every_number_as_the_whole(void **state)
{
    static const struct cl_place nowhere;
    static const char *const odd[] = { "poll", "openat", "getuid" };

    (void)state;
    for (uint64_t on_violation = 0; on_violation < 2; on_violation++) {
        struct cl_spec *spec = spec_of(CL_TIER_COMPUTE | CL_TIER_TIME, on_violation);
        for (size_t i = 0; i < CL_COUNT(odd); i++)
            cl_items_add(i % 2 ? &spec->deny : &spec->allow, odd[i], nowhere);
        make(spec);
        assert_true(is_split);
        for (uint32_t number = 0; number < NUMBERS; number++)
            answer(number, (const uint64_t[6]){ random_word() }); /* compares */
        cl_spec_free(spec);
    }
}

static void foreign_architectures_and_x32_numbers_end_the_process(void **state)
{
    static const uint32_t arches[] = { AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0,
                                       ~0u };
    struct cl_spec *spec = spec_of(0x3f, 1);

    (void)state;
    make(spec);
    for (size_t i = 0; i < CL_COUNT(arches); i++) {
        for (int number = 0; number < NUMBERS; number++) {
            const struct seccomp_data call = { .nr = number, .arch = arches[i] };
            assert_int_equal(run(&call), SECCOMP_RET_KILL_PROCESS);
        }
    }
    for (uint32_t number = X32; number < X32 + NUMBERS; number++) {
        static const uint64_t none[6];
        assert_int_equal(answer(number, none), SECCOMP_RET_KILL_PROCESS);
    }
    cl_spec_free(spec);
}

static void sigsys_handler_cannot_be_replaced_whatever_the_upper_half(void **state)
{
    struct cl_spec *spec = spec_of(0x3f, 1);

    (void)state;
    make(spec);
    for (unsigned round = 0; round < 64; round++) {
        const uint64_t args[6] = { SIGSYS | (round ? random_word() << 32 : 0) };
        assert_int_equal(answer(SYS_rt_sigaction, args), SECCOMP_RET_KILL_PROCESS);
    }
    for (uint64_t signal = 1; signal < 64; signal++) {
        const uint64_t args[6] = { signal };
        if (signal != SIGSYS)
            assert_int_equal(answer(SYS_rt_sigaction, args), SECCOMP_RET_ALLOW);
    }
    cl_spec_free(spec);
}

static void denied_call_is_a_violation_even_when_a_tier_opens_it(void **state)
{
    static const struct cl_place nowhere;
    static const uint64_t none[6];
    struct cl_spec *spec = spec_of(CL_TIER_COMPUTE | CL_TIER_TIME, 0);

    (void)state;
    cl_items_add(&spec->deny, "getrandom", nowhere);
    cl_items_add(&spec->deny, "rt_sigaction", nowhere);
    make(spec);
    assert_int_equal(answer(SYS_getrandom, none), SECCOMP_RET_TRAP);
    assert_int_equal(answer(SYS_rt_sigaction, none), SECCOMP_RET_TRAP);
    assert_int_equal(answer(SYS_rt_sigaction, (const uint64_t[6]){ SIGSYS }),
                     SECCOMP_RET_KILL_PROCESS);
    cl_spec_free(spec);
}

static void allowed_call_passes_with_any_argument(void **state)
{
    static const struct cl_place nowhere;
    struct cl_spec *spec = spec_of(CL_TIER_COMPUTE | CL_TIER_TIME, 0);

    (void)state;
    cl_items_add(&spec->allow, "memfd_create", nowhere);
    cl_items_add(&spec->allow, "mprotect", nowhere);
    compare_all(spec);
    assert_int_equal(answer(SYS_mprotect, (const uint64_t[6]){ 0, 0, 7 }), SECCOMP_RET_ALLOW);
    cl_spec_free(spec);
}

static void every_row_names_a_call_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < cl_rules_count; i++) {
        const struct cl_rule *rule = &cl_rules[i];
        assert_true(cl_risk_number(rule->name) >= 0);
        assert_true(strlen(rule->why) > 3);
        assert_true((rule->answer == CL_ANSWER_ERRNO) == (rule->error != 0));
        for (size_t j = 0; j < CL_RULE_TESTS_MAX; j++) {
            const struct cl_test *test = &rule->tests[j];
            if (test->op == CL_TEST_BITS)
                assert_int_equal(test->value & ~(uint64_t)test->mask, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_names_a_call_and_says_why),
        cmocka_unit_test(filter_answers_as_the_table_says_for_every_set_of_tiers),
        cmocka_unit_test(worker_loads_little_where_the_entry_has_no_rules_of_its_own),
        cmocka_unit_test(parts_answer_every_number_as_the_whole),
        cmocka_unit_test(filter_traps_every_number_without_a_rule),
        cmocka_unit_test(default_tiers_open_at_most_32_calls),
        cmocka_unit_test(foreign_architectures_and_x32_numbers_end_the_process),
        cmocka_unit_test(sigsys_handler_cannot_be_replaced_whatever_the_upper_half),
        cmocka_unit_test(denied_call_is_a_violation_even_when_a_tier_opens_it),
        cmocka_unit_test(allowed_call_passes_with_any_argument),
    };

    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
