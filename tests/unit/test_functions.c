/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows and contents of modules, what goes with a call, names that are nearly right, and files of a
 * directory.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/modules/row.h"
#include "sandbox/base/own.h"
#include "tests/support/api_fake.h"

static struct api_fake fake;
static struct cl_modules *modules;
static struct cl_tenant *tenant;

static int setup(void **state)
{
    (void)state;
    api_fake_init(&fake, NULL, &cl_calls_jobs, NULL);
    modules = fake.app.modules;
    tenant = cl_tenancy_pool(fake.app.tenancy, API_FAKE_POOL)->tenant;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_fake_fini(&fake);
    return 0;
}

static char *copy(const char *text)
{
    char *made = strdup(text);

    assert_non_null(made);
    return made;
}

static struct cl_json json(const char *text)
{
    return (struct cl_json){ text, strlen(text) };
}

/* A row with functions "f" and "net", and what it imports. */
static struct cl_modrow *put_row(const char *name, const char *imports, bool is_served)
{
    struct cl_modrow *row = calloc(1, sizeof(*row));

    assert_non_null(row);
    snprintf(row->name, sizeof(row->name), "%s", name);
    snprintf(row->version, sizeof(row->version), "000000000001");
    row->functions = copy("[{\"name\":\"f\"},{\"name\":\"net\"}]");
    row->functions_length = strlen(row->functions);
    row->imports = cl_modrow_imports(json(imports), &row->imports_length);
    row->source_bytes = 6;
    row->code_bytes = 4;
    row->is_served = is_served;
    cl_modules_put_row(modules, tenant->name, row);
    return row;
}

static void hold(struct cl_modrow *row, const char *version)
{
    const struct cl_modparts parts = { json("source"), json("code"),
                                       json("[{\"name\":\"old\"}]"), json("[]") };
    struct cl_modheld *held = cl_modheld_put(modules, tenant->name, row->name, version, &parts);

    if (strcmp(version, row->version) == 0)
        cl_modheld_attach(held, row);
}

static struct cl_modrow *put_held(const char *name, const char *imports)
{
    struct cl_modrow *row = put_row(name, imports, false);

    hold(row, row->version);
    return row;
}

/* --------------------------------------------------------------------------- rows, contents */

static void names_are_plain(void **state)
{
    static const char *const good[] = { "a", "_", "a1", "prices_net" };
    static const char *const bad[] = { "",    "1",   "A",        "a.b", "a-b",
                                       "a b", "a\n", "\xc3\xbc", "../a" };
    char longest[CL_MODULE_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(good); i++)
        assert_true(cl_module_is_name(good[i]));
    for (size_t i = 0; i < CL_COUNT(bad); i++)
        assert_false(cl_module_is_name(bad[i]));
    memset(longest, 'a', sizeof(longest) - 1);
    longest[CL_MODULE_NAME_MAX + 1] = '\0';
    assert_false(cl_module_is_name(longest));
    longest[CL_MODULE_NAME_MAX] = '\0';
    assert_true(cl_module_is_name(longest));
}

static void imports_are_the_tops_of_names_that_may_be_modules(void **state)
{
    size_t length = 0;
    cl_free_auto char *names = cl_modrow_imports(
        json("[\"a.b.c\",\"tax\",\"Upper\",\"\",5,\"\\u0061\",\"x-y\",\"b\"]"), &length);

    (void)state;
    assert_int_equal(length, 8);
    assert_memory_equal(names, "a\0tax\0b\0", 8);
}

static void rows_are_found_in_order(void **state)
{
    static const char *const names[] = { "m", "a", "z", "b", "mm" };
    struct cl_module module = { .name = "" };
    char seen[32] = "";

    (void)state;
    for (size_t i = 0; i < CL_COUNT(names); i++)
        put_row(names[i], "[]", false);
    put_row("b", "[]", true); /* served: hides the one that was put */
    put_row("c", "[]", true);
    while (cl_modules_next(modules, tenant, module.name, &module)) {
        strcat(seen, module.name);
        strcat(seen, module.is_served ? "! " : " ");
    }
    assert_string_equal(seen, "a b! c! m mm z ");
    assert_false(cl_modules_find(modules, tenant, "bb", &module));
}

static void contents_that_are_not_used_go_when_there_is_no_room(void **state)
{
    static char large[4 << 20];
    const struct cl_modparts parts = { { large, sizeof(large) }, json(""), json(""), json("") };
    struct cl_modrow *row = put_held("first", "[]");
    char name[16];

    (void)state;
    memset(large, 'x', sizeof(large));
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        cl_modheld_put(modules, tenant->name, name, "v", &parts);
    }
    assert_non_null(row->held);
    cl_modheld_use(modules, row->held);
    for (int i = 6; i < 9; i++) {
        snprintf(name, sizeof(name), "m%d", i);
        cl_modheld_put(modules, tenant->name, name, "v", &parts);
    }
    assert_true(modules->cache_bytes <= CL_MODULES_CACHE + sizeof(large) + 4096);
    assert_null(cl_modheld_find(modules, tenant->name, "m0", "v"));
    assert_non_null(cl_modheld_find(modules, tenant->name, "m8", "v"));
    assert_non_null(row->held); /* used later than m0 */
}

/* ----------------------------------------------------------------------- what goes with a call */

static int resolve(const char *function, const char *version, struct cl_request *request,
                   struct cl_refusal *refusal)
{
    struct cl_modules_want want;

    *refusal = (struct cl_refusal)CL_REFUSAL_INIT;
    snprintf(request->function, sizeof(request->function), "%s", function);
    snprintf(request->version, sizeof(request->version), "%s", version);
    return cl_modules_resolve(modules, tenant, request, &want, refusal);
}

static unsigned count_frames(const struct cl_request *request, enum cl_frame_type type)
{
    unsigned count = 0;

    for (size_t at = 0; at < request->frames.length;) {
        struct cl_frame head;
        struct cl_err err = CL_ERR_INIT;

        memcpy(&head, request->frames.bytes + at, sizeof(head));
        assert_works(cl_frame_check(&head, false, &err), &err);
        count += head.type == type;
        at += sizeof(head) + head.length;
    }
    return count;
}

static void modules_go_with_what_they_import(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal;

    (void)state;
    put_held("shop", "[\"tax\",\"json\",\"lines\"]");
    put_held("tax", "[\"lines\",\"shop\"]"); /* a cycle */
    put_held("lines", "[]");
    put_held("other", "[]");
    assert_int_equal(resolve("shop.net", "", &request, &refusal), 0);
    assert_int_equal(count_frames(&request, CL_F_MODULE), 3);
    assert_int_equal(count_frames(&request, CL_F_ENTRY), 1);
    assert_memory_equal(request.frames.bytes + sizeof(struct cl_frame) +
                            sizeof(struct cl_frame_module),
                        "shopsourcecode", 14);
}

static void what_is_not_in_memory_is_fetched_first(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal;
    struct cl_modrow *row = put_row("tax", "[]", false);

    (void)state;
    put_held("shop", "[\"tax\"]");
    assert_int_equal(resolve("shop.f", "", &request, &refusal), CL_MODULES_LATER);
    assert_int_equal(request.frames.length, 0);
    hold(row, row->version);
    assert_int_equal(resolve("shop.f", "", &request, &refusal), 0);
}

static void old_versions_have_functions_of_their_own(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_request CL_AUTO(cl_request_fini) again = { 0 };
    struct cl_refusal refusal;
    struct cl_modrow *row = put_held("shop", "[]");

    (void)state;
    assert_int_equal(resolve("shop.old", "000000000000", &request, &refusal), CL_MODULES_LATER);
    hold(row, "000000000000");
    assert_int_equal(resolve("shop.old", "000000000000", &request, &refusal), 0);
    assert_int_equal(resolve("shop.f", "000000000000", &again, &refusal), -1);
}

static void modules_over_the_caps_are_refused(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal;
    struct cl_modrow *row = put_held("shop", "[\"large\"]");

    (void)state;
    row->source_bytes = CL_MODULES_CALL_BYTES - 4;
    assert_int_equal(resolve("shop.f", "", &request, &refusal), 0);
    row->source_bytes++;
    assert_int_equal(resolve("shop.f", "", &request, &refusal), -1);
    assert_int_equal(refusal.kind, CL_R_TOO_LARGE);
}

/* ------------------------------------------------------------------------------------- names */

static void what_is_not_exported_is_not_found(void **state)
{
    static const char *const names[] = { "shop",      "shop.g",          "shop._f",
                                         "shop.f._x", "shop.f.__code__", "nobody.f",
                                         "shop.",     "shop..f",         ".f",
                                         "SHOP.f" };
    struct cl_refusal refusal;

    (void)state;
    put_held("shop", "[]");
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct cl_request CL_AUTO(cl_request_fini) request = { 0 };

        assert_int_equal(resolve(names[i], "", &request, &refusal), -1);
        assert_int_equal(refusal.kind, CL_R_FUNCTION_NOT_FOUND);
    }
}

static void similar_names_are_told(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal;

    (void)state;
    put_held("shop", "[]");
    put_held("shops", "[]");
    assert_int_equal(resolve("shop.nett", "", &request, &refusal), -1);
    assert_string_equal(refusal.extra, "\"similar\":[\"shop.net\"]");
    assert_int_equal(resolve("shopp.net", "", &request, &refusal), -1);
    assert_string_equal(refusal.extra, "\"similar\":[\"shop.net\",\"shops.net\"]");
    assert_int_equal(resolve("something_else.f", "", &request, &refusal), -1);
    assert_string_equal(refusal.extra, "");
}

static void broken_ones_say_why(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal;
    struct cl_modrow *row = calloc(1, sizeof(*row));

    (void)state;
    assert_non_null(row);
    strcpy(row->name, "shop");
    row->reason = copy("line 2: SyntaxError: invalid syntax");
    row->is_served = true;
    cl_modules_put_row(modules, tenant->name, row);
    assert_int_equal(resolve("shop.f", "", &request, &refusal), -1);
    assert_string_equal(refusal.detail,
                        "Function shop.f not found: line 2: SyntaxError: invalid syntax");
    put_held("shop", "[]"); /* it hides what was put, broken as it is */
    assert_int_equal(resolve("shop.f", "", &request, &refusal), -1);
}

/* ------------------------------------------------------------------------------- directories */

static void send_file(const char *name, int fd)
{
    struct cl_msg_function msg = { .tenant = "local" };

    snprintf(msg.name, sizeof(msg.name), "%s", name);
    cl_modules_on_function(modules, &msg, fd);
}

static int file_of(const char *text)
{
    const int fd = memfd_create("file", MFD_CLOEXEC);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static void end_set(void)
{
    const struct cl_msg_functions msg = { .tenant = "local" };

    cl_modules_on_functions(modules, &msg);
    api_fake_turn(&fake);
}

static void files_of_a_directory_are_one_set(void **state)
{
    static const char read[] =
        "{\"functions\":[{\"name\":\"f\"}],\"imports\":[],\"hides\":false,"
        "\"code\":null}";
    cl_close_auto int good = file_of("def f(): pass\n");
    cl_close_auto int large = memfd_create("file", MFD_CLOEXEC);
    cl_close_auto int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct cl_module module;

    (void)state;
    assert_int_equal(ftruncate(large, CL_MODULE_SOURCE_MAX + 1), 0);
    put_held("good", "[]");
    send_file("good", good);
    send_file("large", large);
    send_file("folder", folder);
    send_file("No Name", good);
    assert_true(cl_modules_find(modules, tenant, "good", &module) && !module.is_served);
    end_set();
    cl_close_auto int worker = api_fake_offer(&fake, true);
    api_fake_frame(&fake, worker, CL_F_RESULT, read, sizeof(read) - 1);
    api_fake_end(&fake, fake.last_spare, CL_END_FINISHED, 0);
    api_fake_turn(&fake);

    assert_true(cl_modules_find(modules, tenant, "good", &module) && module.is_served);
    assert_true(cl_modules_find(modules, tenant, "large", &module));
    assert_non_null(strstr(module.reason, "more than 1048576 bytes"));
    assert_true(cl_modules_find(modules, tenant, "folder", &module));
    assert_non_null(strstr(module.reason, "no regular file"));
    assert_false(cl_modules_find(modules, tenant, "No Name", &module));

    end_set(); /* all are gone: what was put is seen again */
    assert_true(cl_modules_find(modules, tenant, "good", &module) && !module.is_served);
    assert_false(cl_modules_find(modules, tenant, "large", &module));
}

int main(void)
{
#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(names_are_plain),
        CASE(imports_are_the_tops_of_names_that_may_be_modules),
        CASE(rows_are_found_in_order),
        CASE(contents_that_are_not_used_go_when_there_is_no_room),
        CASE(modules_go_with_what_they_import),
        CASE(what_is_not_in_memory_is_fetched_first),
        CASE(old_versions_have_functions_of_their_own),
        CASE(modules_over_the_caps_are_refused),
        CASE(what_is_not_exported_is_not_found),
        CASE(similar_names_are_told),
        CASE(broken_ones_say_why),
        CASE(files_of_a_directory_are_one_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
