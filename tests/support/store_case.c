/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a directory of its own, made and removed around each test.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/store_case.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

void store_case_make_dir(char path[64], int *dir)
{
    /* In memory where there is such a place: what is tested is not the disk. */
    const char *usual = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const char *base = getenv("TMPDIR");

    if (snprintf(path, 64, "%s/cloche-store-XXXXXX", base ? base : usual) >= 64)
        fail_msg("TMPDIR is too long");
    assert_non_null(mkdtemp(path));
    *dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(*dir >= 0);
}

void store_case_remove_dir(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        unlinkat(dirfd(folder), entry->d_name, 0);
    cl_own_closedir(&folder);
    rmdir(path);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    char source[512], target[512], buffer[65536];
    ssize_t got;

    snprintf(source, sizeof(source), "%s/%s", from, name);
    snprintf(target, sizeof(target), "%s/%s", to, name);
    cl_close_auto int in = open(source, O_RDONLY);
    cl_close_auto int out = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0)
        return; /* it went while the directory was read */
    assert_true(out >= 0);
    while ((got = read(in, buffer, sizeof(buffer))) > 0)
        assert_int_equal(write(out, buffer, (size_t)got), got);
}

void store_case_copy(const char *from, const char *to)
{
    DIR *folder = opendir(from);
    const struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.')
            copy_file(from, to, entry->d_name);
    }
    closedir(folder);
}

int store_case_open(void **state)
{
    struct store_case *at = calloc(1, sizeof(*at));

    assert_true(sodium_init() >= 0);
    at->caps = cl_store_caps_default;
    store_case_make_dir(at->path, &at->dir);
    at->store = cl_store_open(at->dir, &at->caps, &at->err);
    if (!at->store)
        fail_msg("%s", at->err.text);
    *state = at;
    return 0;
}

int store_case_close(void **state)
{
    struct store_case *at = *state;

    cl_store_close(at->store);
    close(at->dir);
    store_case_remove_dir(at->path);
    free(at);
    return 0;
}

void store_case_again(struct store_case *at)
{
    cl_store_close(at->store);
    at->store = cl_store_open(at->dir, &at->caps, &at->err);
    if (!at->store)
        fail_msg("%s", at->err.text);
}

struct cl_blob store_case_blob(const char *text)
{
    return (struct cl_blob){ text, strlen(text) };
}

bool store_case_is(struct cl_blob blob, const char *text)
{
    return blob.bytes && blob.length == strlen(text) &&
           memcmp(blob.bytes, text, blob.length) == 0;
}

const char *store_case_id(char text[CL_ULID_SIZE], unsigned number)
{
    snprintf(text, CL_ULID_SIZE, "01%024u", number);
    return text;
}

struct cl_store_call store_case_call(const char *tenant, const char *id)
{
    return (struct cl_store_call){
        .id = id,
        .tenant = tenant,
        .key = "k1",
        .function = "",
        .policy = "default",
        .idem_key = "",
        .request = store_case_blob("{\"source\":\"1\"}"),
        .created_us = 1000,
    };
}
