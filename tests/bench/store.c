/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a large store takes to fill, to open, to load and to list.
 * Runs in: by hand; build/bin/cloche-store-bench [MODULES [CALLS]].
 * Trusts: -
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/store.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { GROUP = 500, PAGE = 50 };

static struct cl_err err;

static void must(int result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static struct cl_blob blob(const char *text)
{
    return (struct cl_blob){ text, strlen(text) };
}

static void put_module(struct cl_store *store, unsigned number)
{
    char name[32], source[1500];
    const struct cl_store_module module = {
        .tenant = "local",
        .name = name,
        .version = "0123456789ab",
        .key = "key",
        .description = "",
        .policy = "",
        .magic = "a70d0d0a",
        .source = { source, sizeof(source) },
        .code = { source, sizeof(source) },
        .functions = blob("[{\"name\":\"main\",\"signature\":\"(x)\",\"schema\":{}}]"),
        .imports = blob("[]"),
    };

    snprintf(name, sizeof(name), "module_%06u", number);
    memset(source, 'x', sizeof(source));
    must(cl_store_module_put(store, &module, &err));
}

static void put_call(struct cl_store *store, unsigned number)
{
    char id[CL_ULID_SIZE], text[700];
    struct cl_store_call call = {
        .id = id,
        .tenant = "local",
        .key = "key",
        .function = number % 3 ? "module_000001.main" : "",
        .policy = "default",
        .verdict = "ok",
        .request = { text, sizeof(text) },
        .envelope = { text, sizeof(text) },
        .ended_us = cl_utc_us(),
    };

    snprintf(id, sizeof(id), "01%024u", number);
    memset(text, 'y', sizeof(text));
    must(cl_store_call_insert(store, &call, NULL, NULL, &err));
    must(cl_store_call_finish(store, &call, &err));
}

static void fill(struct cl_store *store, unsigned count,
                 void (*put)(struct cl_store *store, unsigned number))
{
    for (unsigned number = 0; number < count; number++) {
        if (number % GROUP == 0)
            must(cl_store_begin(store, &err));
        put(store, number);
        if (number % GROUP == GROUP - 1 || number == count - 1)
            must(cl_store_commit(store, &err));
    }
}

static int count_module(void *self, const struct cl_store_module *module, struct cl_err *fault)
{
    (void)module;
    (void)fault;
    ++*(unsigned *)self;
    return 0;
}

static int count_call(void *self, const struct cl_store_call *call, struct cl_err *fault)
{
    (void)call;
    (void)fault;
    ++*(unsigned *)self;
    return 0;
}

static uint64_t since(uint64_t *at)
{
    const uint64_t now = cl_clock_us(), took = now - *at;

    *at = now;
    return took;
}

static void list(struct cl_store *store, const char *what, const struct cl_store_filter *filter)
{
    uint64_t at = cl_clock_us();
    unsigned rows = 0;

    must(cl_store_call_list(store, filter, count_call, &rows, &err));
    printf("list %-24s %8" PRIu64 " us, %u rows\n", what, since(&at), rows);
}

static void measure(int dir, unsigned modules, unsigned calls)
{
    uint64_t at = cl_clock_us();
    struct cl_store *store = cl_store_open(dir, &cl_store_caps_default, &err);
    unsigned count = 0;

    must(store ? 0 : -1);
    fill(store, modules, put_module);
    printf("put %u modules           %8" PRIu64 " us\n", modules, since(&at));
    fill(store, calls, put_call);
    printf("put %u calls            %8" PRIu64 " us\n", calls, since(&at));
    cl_store_close(store);
    printf("close                       %8" PRIu64 " us\n", since(&at));
    store = cl_store_open(dir, &cl_store_caps_default, &err);
    must(store ? 0 : -1);
    printf("open                        %8" PRIu64 " us\n", since(&at));
    must(cl_store_module_all(store, count_module, &count, &err));
    printf("load %u modules          %8" PRIu64 " us\n", count, since(&at));
    count = 0;
    must(cl_store_call_left_all(store, count_call, &count, &err));
    printf("what is left                %8" PRIu64 " us\n", since(&at));
    list(store, "newest", &(struct cl_store_filter){ "local", NULL, NULL, -1, PAGE });
    list(store, "of a function",
         &(struct cl_store_filter){ "local", "module_000001.main", NULL, -1, PAGE });
    list(store, "that run", &(struct cl_store_filter){ "local", NULL, NULL, 1, PAGE });
    at = cl_clock_us();
    must(cl_store_tidy(store, cl_utc_us(), &err));
    printf("tidy                        %8" PRIu64 " us\n", since(&at));
    cl_store_close(store);
}

int main(int count, char **args)
{
    const unsigned modules = count > 1 ? (unsigned)atoi(args[1]) : 10000;
    const unsigned calls = count > 2 ? (unsigned)atoi(args[2]) : 100000;
    char path[] = "/tmp/cloche-store-bench-XXXXXX", command[96];

    if (sodium_init() < 0 || !mkdtemp(path))
        return 1;
    cl_close_auto int dir = open(path, O_RDONLY | O_DIRECTORY);
    measure(dir, modules, calls);
    snprintf(command, sizeof(command), "du -sh %s; rm -rf %s", path, path);
    return system(command) == 0 ? 0 : 1;
}
