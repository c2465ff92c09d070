/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long values as files: written, read back with a check, let go.
 * Runs in: cloche-api, on the store thread (the sweep before there is one).
 * Trusts: nothing of a file's content before its hash is right.
 */
#include "api/store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/base/file.h"
#include "sandbox/base/log.h"

enum { NAME_SIZE = 2 * CL_STORE_HASH_SIZE + 1 };

struct name {
    char final[NAME_SIZE];
    char fresh[NAME_SIZE + 4];
};

static void name_of(const uint8_t *hash, struct name *name)
{
    sodium_bin2hex(name->final, sizeof(name->final), hash, CL_STORE_HASH_SIZE);
    snprintf(name->fresh, sizeof(name->fresh), "%s.new", name->final);
}

/* ------------------------------------------------------------------------------- writing */

static void touch(struct cl_store *store, const uint8_t *hash)
{
    if (store->touched_count == store->touched_size) {
        store->touched_size = store->touched_size ? 2 * store->touched_size : 16;
        store->touched = reallocarray(store->touched, store->touched_size, CL_STORE_HASH_SIZE);
        CL_CHECK(store->touched);
    }
    memcpy(store->touched[store->touched_count++], hash, CL_STORE_HASH_SIZE);
}

static int write_fresh(struct cl_store *store, const struct name *name, struct cl_blob blob,
                       struct cl_err *err)
{
    cl_close_auto int fd = openat(store->dir, name->fresh,
                                  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    struct cl_err cause = CL_ERR_INIT;

    if (fd < 0)
        return cl_sql_fail_file("make a file", err);
    if (cl_file_write_all(fd, blob.bytes, blob.length, &cause) < 0) {
        errno = cause.sys;
        return cl_sql_fail_file("write a file", err);
    }
    return fsync(fd) < 0 ? cl_sql_fail_file("write a file to the disk", err) : 0;
}

static int write_file(struct cl_store *store, const uint8_t *hash, struct cl_blob blob,
                      struct cl_err *err)
{
    struct name name;

    name_of(hash, &name);
    touch(store, hash);
    if (write_fresh(store, &name, blob, err) < 0) {
        unlinkat(store->dir, name.fresh, 0);
        return -1;
    }
    if (renameat(store->dir, name.fresh, store->dir, name.final) < 0 || fsync(store->dir) < 0)
        return cl_sql_fail_file("name a file", err);
    return 0;
}

static int find(struct cl_store *store, struct cl_blob hash, int64_t *id, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(&rows, store, "SELECT id FROM file WHERE hash = ?",
                    CL_SQL_VALUES(CL_PLAIN(hash)), err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    if (found > 0)
        *id = cl_sql_number(&rows, 0);
    return found;
}

int cl_store_file_put(struct cl_store *store, struct cl_blob blob, int64_t *id,
                      struct cl_err *err)
{
    uint8_t hash[CL_STORE_HASH_SIZE];
    const struct cl_blob key = { hash, sizeof(hash) };
    int found;

    if (blob.length > CL_STORE_BLOB_MAX)
        return cl_fail(err, CL_E_LIMIT, "this is too large to be stored");
    crypto_hash_sha256(hash, blob.bytes, blob.length);
    found = find(store, key, id, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    if (write_file(store, hash, blob, err) < 0 ||
        cl_sql_run(store, "INSERT INTO file (hash, bytes) VALUES (?, ?)",
                   CL_SQL_VALUES(CL_PLAIN(key), CL_NUMBER(blob.length)), err) < 0)
        return -1;
    *id = sqlite3_last_insert_rowid(store->db);
    return 0;
}

/* ------------------------------------------------------------------------------- reading */

static int read_whole(int fd, uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        const ssize_t got = read(fd, bytes + at, length - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        at += (size_t)got;
    }
    return 0;
}

static int read_file(struct cl_store *store, const uint8_t *hash, void **bytes, size_t length,
                     struct cl_err *err)
{
    uint8_t seen[CL_STORE_HASH_SIZE];
    struct name name;

    name_of(hash, &name);
    cl_close_auto int fd = openat(store->dir, name.final, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    cl_free_auto uint8_t *content = malloc(length + 1);
    CL_CHECK(content);
    if (fd < 0 || read_whole(fd, content, length) < 0)
        return cl_fail(err, CL_E_LOST, "the stored file %.12s cannot be read", name.final);
    crypto_hash_sha256(seen, content, length);
    if (sodium_memcmp(seen, hash, sizeof(seen)) != 0)
        return cl_fail(err, CL_E_LOST, "the stored file %.12s is damaged", name.final);
    *bytes = cl_take_ptr(&content);
    return 0;
}

int cl_store_file_get(struct cl_store *store, int64_t id, void **bytes, size_t *length,
                      struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    struct cl_blob hash;
    int found;

    if (cl_sql_open(&rows, store, "SELECT hash, bytes FROM file WHERE id = ?",
                    CL_SQL_VALUES(CL_NUMBER(id)), err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    if (found < 0)
        return -1;
    hash = found ? cl_sql_blob(&rows, 0) : (struct cl_blob)CL_BLOB_NONE;
    *length = found ? (size_t)cl_sql_number(&rows, 1) : 0;
    if (hash.length != CL_STORE_HASH_SIZE || *length > CL_STORE_BLOB_MAX)
        return cl_fail(err, CL_E_LOST, "the store is damaged: file %" PRId64 " is unknown", id);
    return read_file(store, hash.bytes, bytes, *length, err);
}

/* ---------------------------------------------------------------------------- letting go */

int cl_store_files_forget(struct cl_store *store, unsigned limit, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int count = 0, found;

    if (cl_sql_open(&rows, store,
                    "DELETE FROM file WHERE id IN"
                    " (SELECT id FROM file WHERE refs <= 0 LIMIT ?) RETURNING hash",
                    CL_SQL_VALUES(CL_NUMBER(limit)), err) < 0)
        return -1;
    while ((found = cl_sql_next(&rows, err)) > 0) {
        const struct cl_blob hash = cl_sql_blob(&rows, 0);

        if (hash.length == CL_STORE_HASH_SIZE)
            touch(store, hash.bytes);
        count++;
    }
    return found < 0 ? -1 : count;
}

static void settle_one(struct cl_store *store, const uint8_t *hash)
{
    const struct cl_blob key = { hash, CL_STORE_HASH_SIZE };
    struct cl_err err = CL_ERR_INIT;
    struct name name;
    int64_t id;

    if (find(store, key, &id, &err) != 0)
        return; /* it is named; or nobody knows, and the next start looks again */
    name_of(hash, &name);
    unlinkat(store->dir, name.final, 0);
}

void cl_store_files_settle(struct cl_store *store)
{
    for (size_t i = 0; i < store->touched_count; i++)
        settle_one(store, store->touched[i]);
    store->touched_count = 0;
}

/* Whether it has the form of our names; `hash` is filled then. */
static bool is_ours(const char *name, uint8_t *hash)
{
    size_t length = 0;

    return strlen(name) == NAME_SIZE - 1 &&
           sodium_hex2bin(hash, CL_STORE_HASH_SIZE, name, NAME_SIZE - 1, NULL, &length, NULL) ==
               0 &&
           length == CL_STORE_HASH_SIZE;
}

static int sweep_one(struct cl_store *store, const char *entry, struct cl_err *err)
{
    uint8_t hash[CL_STORE_HASH_SIZE];
    const struct cl_blob key = { hash, sizeof(hash) };
    const size_t length = strlen(entry);
    int64_t id;
    int found;

    if (length == NAME_SIZE + 3 && strcmp(entry + NAME_SIZE - 1, ".new") == 0)
        return unlinkat(store->dir, entry, 0) < 0 ? 0 : 1;
    if (!is_ours(entry, hash))
        return 0;
    found = find(store, key, &id, err);
    if (found != 0)
        return found < 0 ? -1 : 0;
    return unlinkat(store->dir, entry, 0) < 0 ? 0 : 1;
}

int cl_store_files_sweep(struct cl_store *store, struct cl_err *err)
{
    cl_close_auto int fd = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cl_closedir_auto DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int removed = 0;

    if (!folder)
        return cl_sql_fail_file("list the directory", err);
    cl_take_fd(&fd); /* the folder closes it */
    while ((entry = readdir(folder))) {
        const int was = sweep_one(store, entry->d_name, err);

        if (was < 0)
            return -1;
        removed += was;
    }
    if (removed > 0)
        cl_log(CL_INFO, "store.sweep", "files=%d", removed);
    return 0;
}
