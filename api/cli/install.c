/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds Cloche's parts and what they need on this host.
 * Runs in: cloche.
 * Trusts: the folder this program was started from, and the system's own folders.
 */
#include "api/cli/install.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/facts.h"
#include "sandbox/base/own.h"

int cl_install_find(const char *program, char path[PATH_MAX])
{
    static const char *const folders[] = { "/usr/sbin", "/usr/libexec/cloche", "/usr/bin" };
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    char *slash;

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash && strlen(program) < (size_t)(path + PATH_MAX - slash - 1)) {
        strcpy(slash + 1, program);
        if (access(path, X_OK) == 0)
            return 0;
    }
    for (size_t i = 0; i < CL_COUNT(folders); i++) {
        snprintf(path, PATH_MAX, "%s/%s", folders[i], program);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return -1;
}

void cl_fact_programs(struct cl_fact *fact)
{
    static const char *const programs[] = { "cloched", "cloche-api", "cloche-zygote",
                                            "cloche-policyc" };
    char path[PATH_MAX];

    for (size_t i = 0; i < CL_COUNT(programs); i++) {
        if (cl_install_find(programs[i], path) == 0)
            continue;
        cl_fact_set(fact, CL_FACT_FAIL, "install the server's package, or run `make all`",
                    "%s is missing", programs[i]);
        return;
    }
    cl_fact_set(fact, CL_FACT_OK, NULL, "all there");
}

void cl_fact_python(struct cl_fact *fact)
{
    static const char library[] = "libpython3.11.so.1.0";
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);

    if (!handle || access("/usr/lib/python3.11/os.py", R_OK) < 0)
        cl_fact_set(fact, CL_FACT_FAIL, "apt-get install libpython3.11", "%s",
                    handle ? "/usr/lib/python3.11 is missing" : "libpython3.11 is missing");
    else
        cl_fact_set(fact, CL_FACT_OK, NULL, "%s", library);
    if (handle)
        dlclose(handle);
}

void cl_fact_libraries(struct cl_fact *fact)
{
    static const struct {
        const char *library, *advice;
    } rows[] = {
        { "libevent_core-2.1.so.7", "apt-get install libevent-core-2.1-7" },
        { "libsodium.so.23", "apt-get install libsodium23" },
        { "libyaml-0.so.2", "apt-get install libyaml-0-2" },
        { "libseccomp.so.2", "apt-get install libseccomp2" },
        { "libcap.so.2", "apt-get install libcap2" },
    };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        void *handle = dlopen(rows[i].library, RTLD_LAZY | RTLD_LOCAL);

        if (!handle) {
            cl_fact_set(fact, CL_FACT_FAIL, rows[i].advice, "%s is missing", rows[i].library);
            return;
        }
        dlclose(handle);
    }
    cl_fact_set(fact, CL_FACT_OK, NULL, "all there");
}
