/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a module is on this host: a policy that lists one which is not has no jail.
 * Runs in: cloche.
 * Trusts: the system's Python folders.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/learn.h"
#include "sandbox/base/own.h"

/* Part of Debian's interpreter itself, without a file. */
static const char *const built_in[] = {
    "array",        "atexit", "binascii", "builtins",    "cmath",     "errno",
    "faulthandler", "fcntl",  "gc",       "grp",         "itertools", "marshal",
    "math",         "posix",  "pwd",      "pyexpat",     "sys",       "select",
    "spwd",         "syslog", "time",     "unicodedata", "zlib",
};

static const char *const patterns[] = {
    "/usr/lib/python3.11/%s.py",
    "/usr/lib/python3.11/%s/__init__.py",
    "/usr/lib/python3.11/lib-dynload/%s.*.so",
    "/usr/lib/python3/dist-packages/%s.py",
    "/usr/lib/python3/dist-packages/%s/__init__.py",
    "/usr/lib/python3/dist-packages/%s.*.so",
};

static bool is_file(const char *pattern, const char *path)
{
    char whole[512];
    glob_t found;
    int done;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* of the table above */
    snprintf(whole, sizeof(whole), pattern, path);
#pragma GCC diagnostic pop
    done = glob(whole, GLOB_NOSORT, NULL, &found);
    if (done == 0)
        globfree(&found);
    return done == 0;
}

bool cl_learn_exists(const char *module)
{
    char path[256];

    for (size_t i = 0; i < CL_COUNT(built_in); i++) {
        if (strcmp(built_in[i], module) == 0)
            return true;
    }
    snprintf(path, sizeof(path), "%s", module);
    for (char *at = path; *at; at++)
        *at = *at == '.' ? '/' : *at;
    for (size_t i = 0; i < CL_COUNT(patterns); i++) {
        if (is_file(patterns[i], path))
            return true;
    }
    return strcmp(module, "os.path") == 0;
}
