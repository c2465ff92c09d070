/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a call on their way in and out.
 * Runs in: worker.
 * Trusts: nothing; the file system below is private to the call and sized by the kernel.
 */
#include "runtime/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/emit.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { FOLDERS_DEEP_MAX = 32, FILES_SEEN_MAX = 16384 };

bool cl_workdir_is_plain(struct cl_bytes path)
{
    const char *at = path.bytes;
    const char *end = path.bytes + path.length;

    if (path.length == 0 || path.length >= PATH_MAX / 2 || memchr(at, '\0', path.length))
        return false;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t length = (size_t)((slash ? slash : end) - at);

        if (length == 0 || (at[0] == '.' && (length == 1 || (length == 2 && at[1] == '.'))))
            return false;
        at += length + 1;
    }
    return path.bytes[path.length - 1] != '/';
}

static int fail_sys(struct cl_err *err, const char *verb, const char *path)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return cl_fail(err, is_full ? CL_E_LIMIT : CL_E_SYS, "%s %.100s", verb, path);
}

/* Makes the folders above the last part of `path`. */
static int make_folders(char *path, size_t root_length, struct cl_err *err)
{
    for (char *slash = strchr(path + root_length + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return fail_sys(err, "make the folder", path);
        *slash = '/';
    }
    return 0;
}

/* `replaces`: an earlier call of the session may have left one. */
static int put_file(const char *root, struct cl_bytes path, struct cl_bytes content,
                    bool replaces, struct cl_err *err)
{
    char full[PATH_MAX];
    cl_close_auto int fd = -1;
    size_t done = 0;

    if (!cl_workdir_is_plain(path))
        return cl_fail(err, CL_E_INPUT, "a file's path is not plain and relative");
    snprintf(full, sizeof(full), "%s/%.*s", root, (int)path.length, path.bytes);
    if (make_folders(full, strlen(root), err) < 0)
        return -1;
    if (replaces && unlink(full) < 0 && errno != ENOENT)
        return fail_sys(err, "replace", full);
    fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_sys(err, "make", full);
    while (done < content.length) {
        ssize_t wrote = write(fd, content.bytes + done, content.length - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return fail_sys(err, "write", full);
        done += (size_t)wrote;
    }
    return 0;
}

int cl_workdir_put(const char *root, const struct cl_call *call, struct cl_err *err)
{
    for (size_t i = 0; i < call->file_count; i++) {
        if (put_file(root, call->file_path[i], call->file_content[i], call->number != 0, err) <
            0)
            return -1;
    }
    return 0;
}

struct found {
    const char *root;
    const struct cl_call *call;
    char **paths; /* relative, owned */
    size_t count;
    size_t seen;
};

static void found_fini(struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        free(found->paths[i]);
    free(found->paths);
}

static bool matches(const struct cl_call *call, const char *path)
{
    for (size_t i = 0; i < call->artifact_count; i++) {
        const char *glob = call->artifact[i].bytes;
        int flags = strstr(glob, "**") ? 0 : FNM_PATHNAME;

        if (fnmatch(glob, path, flags) == 0)
            return true;
    }
    return false;
}

static int keep(struct found *found, const char *path, struct cl_err *err)
{
    char **grown = reallocarray(found->paths, found->count + 1, sizeof(*grown));

    if (grown)
        found->paths = grown;
    if (!grown || !(grown[found->count] = strdup(path)))
        return cl_fail(err, CL_E_SYS, "no memory for artifacts");
    found->count++;
    return 0;
}

static int walk(struct found *found, const char *folder, int depth, struct cl_err *err);

static int visit(struct found *found, const char *folder, const char *name, int depth,
                 struct cl_err *err)
{
    char path[PATH_MAX], full[PATH_MAX];
    struct stat seen;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (++found->seen > FILES_SEEN_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d files", FILES_SEEN_MAX);
    if ((size_t)snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name) >=
            sizeof(path) ||
        (size_t)snprintf(full, sizeof(full), "%s/%s", found->root, path) >= sizeof(full))
        return 0;
    if (lstat(full, &seen) < 0)
        return 0;
    if (S_ISDIR(seen.st_mode))
        return depth < FOLDERS_DEEP_MAX ? walk(found, path, depth + 1, err) : 0;
    return S_ISREG(seen.st_mode) && matches(found->call, path) ? keep(found, path, err) : 0;
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

static int walk(struct found *found, const char *folder, int depth, struct cl_err *err)
{
    char full[PATH_MAX];
    CL_AUTO(close_folder) DIR *stream = NULL;
    struct dirent *entry;

    if ((size_t)snprintf(full, sizeof(full), "%s/%s", found->root, folder) >= sizeof(full))
        return 0;
    stream = opendir(full);
    if (!stream)
        return 0; /* the caller may have closed it to itself */
    while ((entry = readdir(stream))) {
        if (visit(found, folder, entry->d_name, depth, err) < 0)
            return -1;
    }
    return 0;
}

static int send_file(const struct found *found, const char *path, struct cl_err *err)
{
    char full[PATH_MAX];
    cl_close_auto int fd = -1;
    cl_free_auto char *content = NULL;
    struct stat seen;
    size_t done = 0;

    snprintf(full, sizeof(full), "%s/%s", found->root, path);
    fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &seen) < 0 || !S_ISREG(seen.st_mode))
        return 0;
    if (seen.st_size > CL_FRAME_OUT_MAX / 2)
        return cl_fail(err, CL_E_LIMIT, "the artifact %.100s is too large", path);
    content = malloc((size_t)seen.st_size + 1);
    if (!content)
        return cl_fail(err, CL_E_SYS, "no memory for artifacts");
    while (done < (size_t)seen.st_size) {
        ssize_t got = read(fd, content + done, (size_t)seen.st_size - done);

        if (got <= 0)
            break;
        done += (size_t)got;
    }
    cl_emit_file(path, strlen(path), content, done);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int cl_workdir_send(const char *root, const struct cl_call *call, struct cl_err *err)
{
    CL_AUTO(found_fini) struct found found = { root, call, NULL, 0, 0 };

    if (call->artifact_count == 0)
        return 0;
    if (walk(&found, "", 0, err) < 0)
        return -1;
    if (found.count > 0)
        qsort(found.paths, found.count, sizeof(*found.paths), by_path);
    for (size_t i = 0; i < found.count; i++) {
        if (send_file(&found, found.paths[i], err) < 0)
            return -1;
    }
    return 0;
}
