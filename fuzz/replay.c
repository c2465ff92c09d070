/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A main for fuzzers that are built without libFuzzer: replays the files, and the files of the
 * directories, that are named on the command line. One that is missing is an empty one.
 * Runs in: tests only.
 * Trusts: the command line.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static size_t replayed;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
    exit(EXIT_FAILURE);
}

/* An allocation of exactly the input's size: a sanitizer sees the first byte read past it. */
static void replay_file(int fd, const char *name, size_t length)
{
    cl_free_auto uint8_t *bytes = malloc(length);

    if (!bytes && length > 0)
        fail("allocate for", name);
    for (size_t done = 0; done < length;) {
        ssize_t got = read(fd, bytes + done, length - done);
        if (got <= 0)
            fail("read", name);
        done += (size_t)got;
    }

    LLVMFuzzerTestOneInput(bytes, length);
    replayed++;
}

static void replay(int dir, const char *name);

static void replay_dir(int fd, const char *name)
{
    DIR *entries = fdopendir(dup(fd));

    if (!entries)
        fail("list", name);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        if (entry->d_name[0] != '.')
            replay(fd, entry->d_name);
    }
    closedir(entries);
}

static void replay(int dir, const char *name)
{
    cl_close_auto int fd = -1;
    struct stat seen;

    fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return;
    if (fd < 0 || fstat(fd, &seen) < 0)
        fail("open", name);
    if (S_ISDIR(seen.st_mode))
        replay_dir(fd, name);
    else
        replay_file(fd, name, (size_t)seen.st_size);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(AT_FDCWD, argv[i]);
    printf("replayed %zu inputs\n", replayed);
    return 0;
}
