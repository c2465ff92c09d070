/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the sample: every field has a value.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/tenant_sample.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

void tenant_sample_init(struct cl_tenant_file *tenant)
{
    *tenant = (struct cl_tenant_file){
        .magic = CL_TENANT_MAGIC,
        .version = CL_TENANT_VERSION,
        .size = sizeof(*tenant),
        .name = "acme",
        .quota = { .concurrency = 16,
                   .queue = 200,
                   .rate = { 50, 1 },
                   .burst = 100,
                   .weight = 100,
                   .cpu = { 600000, 60 },
                   .memory_bytes = 4ull << 30,
                   .stored_bytes = 1ull << 30 },
        .policy_count = 2,
        .token_count = 2,
        .policies = { "default", "numeric" },
        .tokens = { { .id = "ci", .scopes = CL_SCOPE_CALL },
                    { .id = "ops", .scopes = CL_SCOPES_ALL } },
        .functions_dir = "/srv/acme/functions",
        .certificate_count = 1,
        .certificates = { { .id = "billing", .scopes = CL_SCOPE_CALL } },
    };
    memset(tenant->certificates[0].hash, 0xce, CL_TENANT_HASH);
    memset(tenant->tokens[0].hash, 0xc1, CL_TENANT_HASH);
    memset(tenant->tokens[1].hash, 0x09, CL_TENANT_HASH);
}

int tenant_sample_seal(const struct cl_tenant_file *tenant)
{
    cl_close_auto int fd = memfd_create("tenant", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CL_CHECK(fd >= 0);
    CL_CHECK(write(fd, tenant, sizeof(*tenant)) == (ssize_t)sizeof(*tenant));
    CL_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ==
             0);
    return cl_take_fd(&fd);
}
