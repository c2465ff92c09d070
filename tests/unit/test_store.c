/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What any store does with modules, calls and their events.
 * Runs in: tests only.
 * Trusts: -
 */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

/* ------------------------------------------------------------------------------- modules */

static struct cl_store_module module_of(const char *tenant, const char *name,
                                        const char *version)
{
    return (struct cl_store_module){
        .tenant = tenant,
        .name = name,
        .version = version,
        .key = "k1",
        .description = "what it does",
        .policy = "default",
        .magic = "a70d0d0a",
        .retry = true,
        .source = store_case_blob("def main(): pass\n"),
        .code = { "\0\1\2", 3 },
        .functions = store_case_blob("[]"),
        .imports = store_case_blob("[\"json\"]"),
        .created_us = 5,
        .updated_us = 6,
    };
}

/* Names and versions that were seen, one after the other. */
struct seen {
    char text[512];
    int count, stop_at;
};

static int see_module(void *self, const struct cl_store_module *module, struct cl_err *err)
{
    struct seen *seen = self;
    const size_t at = strlen(seen->text);

    (void)err;
    snprintf(seen->text + at, sizeof(seen->text) - at, "%s/%s@%s%s ", module->tenant,
             module->name, module->version, module->is_current ? "!" : "");
    return ++seen->count == seen->stop_at;
}

static int check_module(void *self, const struct cl_store_module *module, struct cl_err *err)
{
    const struct cl_store_module *put = self;

    (void)err;
    assert_string_equal(module->description, put->description);
    assert_string_equal(module->policy, put->policy);
    assert_string_equal(module->magic, put->magic);
    assert_string_equal(module->key, put->key);
    assert_int_equal(module->retry, put->retry);
    assert_int_equal(module->created_us, put->created_us);
    assert_int_equal(module->updated_us, put->updated_us);
    assert_true(store_case_is(module->source, put->source.bytes));
    assert_true(store_case_is(module->functions, put->functions.bytes));
    assert_true(store_case_is(module->imports, put->imports.bytes));
    assert_int_equal(module->code.length, 3);
    assert_memory_equal(module->code.bytes, "\0\1\2", 3);
    return 0;
}

static void a_module_is_kept_whole(void **state)
{
    struct store_case *at = *state;
    struct cl_store_module module = module_of("t", "prices", "aaaaaaaaaaaa");

    assert_int_equal(cl_store_module_put(at->store, &module, &at->err), 1);
    store_case_again(at);
    assert_int_equal(
        cl_store_module_get(at->store, "t", "prices", NULL, check_module, &module, &at->err),
        1);
    assert_int_equal(
        cl_store_module_get(at->store, "other", "prices", NULL, NULL, NULL, &at->err), 0);
    assert_int_equal(cl_store_module_get(at->store, "t", "price", NULL, NULL, NULL, &at->err),
                     0);
}

static void a_put_makes_its_version_current(void **state)
{
    struct store_case *at = *state;
    struct cl_store_module first = module_of("t", "prices", "aaaaaaaaaaaa");
    struct cl_store_module second = module_of("t", "prices", "bbbbbbbbbbbb");
    struct seen seen = { { 0 }, 0, 0 };

    second.created_us = 9;
    second.description = "another";
    assert_int_equal(cl_store_module_put(at->store, &first, &at->err), 1);
    assert_int_equal(cl_store_module_put(at->store, &second, &at->err), 0);
    assert_works(
        cl_store_module_versions(at->store, "t", "prices", see_module, &seen, &at->err),
        &at->err);
    assert_string_equal(seen.text, "t/prices@bbbbbbbbbbbb! t/prices@aaaaaaaaaaaa ");
    second.created_us = first.created_us; /* so old is the module */
    assert_int_equal(
        cl_store_module_get(at->store, "t", "prices", NULL, check_module, &second, &at->err),
        1);
    /* The old one is still there, with what belongs to the module as it is now. */
    first.description = "another";
    assert_int_equal(cl_store_module_get(at->store, "t", "prices", "aaaaaaaaaaaa", check_module,
                                         &first, &at->err),
                     1);
    /* Back to the first: no third version. */
    seen = (struct seen){ { 0 }, 0, 0 };
    assert_int_equal(cl_store_module_put(at->store, &first, &at->err), 0);
    assert_works(cl_store_module_all(at->store, see_module, &seen, &at->err), &at->err);
    assert_string_equal(seen.text, "t/prices@aaaaaaaaaaaa! ");
}

static void modules_are_listed_by_name_and_tenant(void **state)
{
    static const char *const names[] = { "b", "a", "c" };
    struct store_case *at = *state;
    struct seen seen = { { 0 }, 0, 0 };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct cl_store_module module = module_of("t", names[i], "v");
        struct cl_store_module other = module_of("s", names[i], "w");
        assert_works(cl_store_module_put(at->store, &module, &at->err), &at->err);
        assert_works(cl_store_module_put(at->store, &other, &at->err), &at->err);
    }
    assert_works(cl_store_module_list(at->store, "t", "", 2, see_module, &seen, &at->err),
                 &at->err);
    assert_works(cl_store_module_list(at->store, "t", "b", 2, see_module, &seen, &at->err),
                 &at->err);
    assert_string_equal(seen.text, "t/a@v! t/b@v! t/c@v! ");
    seen = (struct seen){ { 0 }, 0, 4 };
    assert_works(cl_store_module_all(at->store, see_module, &seen, &at->err), &at->err);
    assert_string_equal(seen.text, "s/a@w! s/b@w! s/c@w! t/a@v! ");
}

static void a_deleted_module_is_gone_with_its_versions(void **state)
{
    struct store_case *at = *state;
    struct cl_store_module first = module_of("t", "a", "v1");
    struct cl_store_module second = module_of("t", "a", "v2");
    struct cl_store_usage usage;

    assert_works(cl_store_module_put(at->store, &first, &at->err), &at->err);
    assert_works(cl_store_module_put(at->store, &second, &at->err), &at->err);
    assert_int_equal(cl_store_module_delete(at->store, "s", "a", &at->err), 0);
    assert_int_equal(cl_store_module_delete(at->store, "t", "a", &at->err), 1);
    assert_int_equal(cl_store_module_delete(at->store, "t", "a", &at->err), 0);
    assert_int_equal(cl_store_module_get(at->store, "t", "a", "v1", NULL, NULL, &at->err), 0);
    assert_works(cl_store_usage(at->store, "t", &usage, &at->err), &at->err);
    assert_int_equal(usage.tenant_bytes, 0);
    assert_int_equal(usage.bytes, 0);
}

static int check_code(void *self, const struct cl_store_module *module, struct cl_err *err)
{
    (void)err;
    assert_true(store_case_is(module->code, self));
    assert_string_equal(module->magic, "new");
    return 0;
}

static void bytecode_is_replaced(void **state)
{
    struct store_case *at = *state;
    struct cl_store_module module = module_of("t", "a", "v1");

    assert_works(cl_store_module_put(at->store, &module, &at->err), &at->err);
    module.code = store_case_blob("fresh");
    module.magic = "new";
    assert_int_equal(cl_store_module_recode(at->store, &module, &at->err), 1);
    assert_int_equal(
        cl_store_module_get(at->store, "t", "a", NULL, check_code, "fresh", &at->err), 1);
    module.version = "v2";
    assert_int_equal(cl_store_module_recode(at->store, &module, &at->err), 0);
}

/* --------------------------------------------------------------------------------- calls */

struct found {
    char ids[1024]; /* the last two digits of each */
    enum cl_store_state state;
    uint32_t attempts;
    int64_t started_us;
    bool is_cancelled;
    char verdict[16], envelope[64], request[64];
};

static void put_text(char *to, size_t size, struct cl_blob blob)
{
    if (blob.bytes)
        snprintf(to, size, "%.*s", (int)blob.length, (const char *)blob.bytes);
    else
        snprintf(to, size, "-");
}

static int see_call(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct found *found = self;
    const size_t at = strlen(found->ids);

    (void)err;
    snprintf(found->ids + at, sizeof(found->ids) - at, "%s ", call->id + 24);
    found->state = call->state;
    found->attempts = call->attempts;
    found->started_us = call->started_us;
    found->is_cancelled = call->is_cancelled;
    snprintf(found->verdict, sizeof(found->verdict), "%s", call->verdict);
    put_text(found->envelope, sizeof(found->envelope), call->envelope);
    put_text(found->request, sizeof(found->request), call->request);
    return 0;
}

static struct found look(struct store_case *at, const char *id)
{
    struct found found = { .state = CL_STORE_QUEUED };

    assert_int_equal(cl_store_call_get(at->store, "t", id, see_call, &found, &at->err), 1);
    return found;
}

static void a_call_goes_from_queued_to_done_once(void **state)
{
    struct store_case *at = *state;
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));
    struct found found;

    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err),
                     CL_STORE_FRESH);
    assert_int_equal(cl_store_call_get(at->store, "s", id, NULL, NULL, &at->err), 0);
    assert_int_equal(look(at, id).state, CL_STORE_QUEUED);
    assert_int_equal(cl_store_call_start(at->store, "s", id, 7, &at->err), 0);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 7, &at->err), 1);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 8, &at->err), 0);
    assert_int_equal(look(at, id).state, CL_STORE_RUNNING);
    assert_int_equal(cl_store_call_requeue(at->store, "t", id, true, 99, &at->err), 1);
    assert_int_equal(cl_store_call_requeue(at->store, "t", id, true, 99, &at->err), 0);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 100, &at->err), 1);

    call.verdict = "ok";
    call.envelope = store_case_blob("{\"result\":1}");
    call.ended_us = 200;
    assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 1);
    call.verdict = "lost";
    assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 0);
    assert_int_equal(cl_store_call_cancel(at->store, "t", id, &at->err), 0);
    store_case_again(at);
    found = look(at, id);
    assert_int_equal(found.state, CL_STORE_DONE);
    assert_int_equal(found.attempts, 2);
    assert_string_equal(found.verdict, "ok");
    assert_string_equal(found.envelope, "{\"result\":1}");
    assert_string_equal(found.request, "-");
}

static void a_start_without_a_worker_does_not_count(void **state)
{
    struct store_case *at = *state;
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));
    struct found found;

    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err),
                     CL_STORE_FRESH);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 7, &at->err), 1);
    assert_int_equal(cl_store_call_requeue(at->store, "t", id, false, 8, &at->err), 1);
    found = look(at, id);
    assert_int_equal(found.attempts, 0);
    assert_int_equal(found.started_us, 0);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 9, &at->err), 1);
    assert_int_equal(cl_store_call_requeue(at->store, "t", id, true, 10, &at->err), 1);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 11, &at->err), 1);
    assert_int_equal(cl_store_call_requeue(at->store, "t", id, false, 12, &at->err), 1);
    found = look(at, id);
    assert_int_equal(found.attempts, 1);
    assert_int_equal(found.started_us, 11);
}

static void a_cancelled_call_is_not_started(void **state)
{
    struct store_case *at = *state;
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));

    assert_works(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err);
    assert_int_equal(cl_store_call_cancel(at->store, "s", id, &at->err), 0);
    assert_int_equal(cl_store_call_cancel(at->store, "t", id, &at->err), 1);
    assert_int_equal(cl_store_call_start(at->store, "t", id, 7, &at->err), 0);
    assert_true(look(at, id).is_cancelled);
}

static int insert_idem(struct store_case *at, unsigned number, const char *key,
                       const char *hash)
{
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, number));
    struct found found = { .state = CL_STORE_QUEUED };
    int fresh;

    call.key = key;
    call.idem_key = "order-17";
    call.idem_hash = store_case_blob(hash);
    fresh = cl_store_call_insert(at->store, &call, see_call, &found, &at->err);
    assert_string_equal(found.ids, fresh == CL_STORE_SAME ? "01 " : "");
    return fresh;
}

static void the_same_key_gives_the_first_call(void **state)
{
    struct store_case *at = *state;

    assert_int_equal(insert_idem(at, 1, "k1", "body"), CL_STORE_FRESH);
    assert_int_equal(insert_idem(at, 2, "k1", "body"), CL_STORE_SAME);
    assert_int_equal(insert_idem(at, 3, "k1", "other"), CL_STORE_OTHER);
    /* Another token's keys are its own. */
    assert_int_equal(insert_idem(at, 4, "k2", "body"), CL_STORE_FRESH);
    store_case_again(at);
    assert_int_equal(insert_idem(at, 5, "k1", "body"), CL_STORE_SAME);
}

static void make_calls(struct store_case *at)
{
    for (unsigned i = 1; i <= 6; i++) {
        char id[CL_ULID_SIZE];
        struct cl_store_call call = store_case_call(i == 6 ? "s" : "t", store_case_id(id, i));

        call.function = i % 2 ? "prices.net" : "";
        call.priority = i == 4 ? 9 : 0;
        assert_works(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err);
        if (i > 3)
            continue;
        call.verdict = i == 3 ? "error" : "ok";
        call.envelope = store_case_blob("{}");
        assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 1);
    }
}

static void calls_are_listed_newest_first(void **state)
{
    static const struct {
        struct cl_store_filter filter;
        const char *ids;
    } cases[] = {
        { { "t", NULL, NULL, -1, 10 }, "05 04 03 02 01 " },
        { { "t", NULL, NULL, -1, 2 }, "05 04 " },
        { { "t", "", "01000000000000000000000004", -1, 2 }, "03 02 " },
        { { "t", "prices.net", "", -1, 10 }, "05 03 01 " },
        { { "t", NULL, NULL, CL_STORE_DONE, 10 }, "03 02 01 " },
        { { "t", NULL, NULL, CL_STORE_QUEUED, 1 }, "05 " },
        { { "t", "prices.net", NULL, CL_STORE_DONE, 10 }, "03 01 " },
        { { "t", NULL, NULL, CL_STORE_RUNNING, 10 }, "" },
        { { "s", NULL, NULL, -1, 10 }, "06 " },
        { { "r", NULL, NULL, -1, 10 }, "" },
        { { "t", NULL, NULL, -1, 0 }, "" },
    };
    struct store_case *at = *state;

    make_calls(at);
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        struct found found = { .state = CL_STORE_QUEUED };

        assert_works(
            cl_store_call_list(at->store, &cases[i].filter, see_call, &found, &at->err),
            &at->err);
        assert_string_equal(found.ids, cases[i].ids);
    }
}

static void what_is_left_comes_by_priority(void **state)
{
    struct store_case *at = *state;
    struct found found = { .state = CL_STORE_QUEUED };

    make_calls(at);
    store_case_again(at);
    assert_works(cl_store_call_left_all(at->store, see_call, &found, &at->err), &at->err);
    assert_string_equal(found.ids, "04 05 06 ");
    assert_string_equal(found.request, "{\"source\":\"1\"}");
}

static int refuse_call(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    (void)self;
    (void)call;
    return cl_fail(err, CL_E_INPUT, "no more");
}

static void a_reader_that_fails_fails_the_read(void **state)
{
    struct store_case *at = *state;
    const struct cl_store_filter all = { "t", NULL, NULL, -1, 10 };
    struct found found = { .state = CL_STORE_QUEUED };

    make_calls(at);
    assert_fails(cl_store_call_list(at->store, &all, refuse_call, NULL, &at->err), &at->err,
                 CL_E_INPUT);
    assert_works(cl_store_call_list(at->store, &all, see_call, &found, &at->err), &at->err);
}

/* -------------------------------------------------------------------------------- events */

static int see_event(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    char *text = self;
    const size_t at = strlen(text);

    (void)err;
    snprintf(text + at, 256 - at, "%d:%.*s ", (int)event->seq, (int)event->line.length,
             (const char *)event->line.bytes);
    return 0;
}

static void put_event(struct store_case *at, const char *id, uint64_t seq, const char *line)
{
    const struct cl_store_event event = { .seq = seq, .line = store_case_blob(line) };

    assert_works(cl_store_call_event_put(at->store, "t", id, &event, &at->err), &at->err);
}

static void events_replay_behind_a_number(void **state)
{
    struct store_case *at = *state;
    char id[CL_ULID_SIZE], text[256] = "";
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));
    const struct cl_store_event event = { .seq = 1, .line = store_case_blob("x") };

    assert_works(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err);
    put_event(at, id, 1, "one");
    put_event(at, id, 2, "two");
    put_event(at, id, 2, "two again");
    put_event(at, id, 3, "three");
    assert_int_equal(cl_store_call_events(at->store, "t", id, 1, 10, see_event, text, &at->err),
                     1);
    assert_string_equal(text, "2:two 3:three ");
    text[0] = '\0';
    assert_int_equal(cl_store_call_events(at->store, "t", id, 0, 1, see_event, text, &at->err),
                     1);
    assert_string_equal(text, "1:one ");
    assert_int_equal(cl_store_call_events(at->store, "s", id, 0, 1, see_event, text, &at->err),
                     0);
    assert_fails(cl_store_call_event_put(at->store, "s", id, &event, &at->err), &at->err,
                 CL_E_INPUT);
    /* Taken back, and told anew. */
    text[0] = '\0';
    assert_works(cl_store_call_events_drop(at->store, "s", id, 0, &at->err), &at->err);
    assert_works(cl_store_call_events_drop(at->store, "t", id, 1, &at->err), &at->err);
    put_event(at, id, 2, "other");
    assert_int_equal(cl_store_call_events(at->store, "t", id, 0, 10, see_event, text, &at->err),
                     1);
    assert_string_equal(text, "1:one 2:other ");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, store_case_open, store_case_close)
    static const struct CMUnitTest tests[] = {
        CASE(a_module_is_kept_whole),
        CASE(a_put_makes_its_version_current),
        CASE(modules_are_listed_by_name_and_tenant),
        CASE(a_deleted_module_is_gone_with_its_versions),
        CASE(bytecode_is_replaced),
        CASE(a_call_goes_from_queued_to_done_once),
        CASE(a_start_without_a_worker_does_not_count),
        CASE(a_cancelled_call_is_not_started),
        CASE(the_same_key_gives_the_first_call),
        CASE(calls_are_listed_newest_first),
        CASE(what_is_left_comes_by_priority),
        CASE(a_reader_that_fails_fails_the_read),
        CASE(events_replay_behind_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
