/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the first inputs of the base fuzzers: one good frame or message of every kind, and
 * policies and tenants, good and nearly good.
 * Runs in: `make seeds`.
 * Trusts: its command line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"
#include "tests/support/policy_sample.h"
#include "tests/support/tenant_sample.h"

static void write_seed(int dir, const char *name, const void *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = -1;

    fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || cl_file_write_all(fd, bytes, length, &err) < 0) {
        perror(name);
        exit(EXIT_FAILURE);
    }
}

/* Lengths that are right for some frame; the fuzzer finds the others. */
static void write_frames(int dir)
{
    static const uint32_t lengths[] = { 0,
                                        2,
                                        sizeof(struct cl_frame_call),
                                        sizeof(struct cl_frame_probe),
                                        sizeof(struct cl_frame_module) + 1,
                                        CL_FRAME_OUTPUT_MAX + 1 };

    for (unsigned type = CL_F_CALL; type <= CL_F_FAILED; type++) {
        for (size_t i = 0; i < CL_COUNT(lengths); i++) {
            struct cl_frame frame = { CL_FRAME_MAGIC, (uint16_t)type, lengths[i] };
            struct cl_err err = CL_ERR_INIT;
            char bytes[2 + sizeof(frame)] = { type >= CL_F_READY ? 0 : 7, 0 };
            char name[32];

            if (cl_frame_check(&frame, type >= CL_F_READY, &err) < 0)
                continue;
            memcpy(bytes + 2, &frame, sizeof(frame));
            snprintf(name, sizeof(name), "frame-%u-%u", type, lengths[i]);
            write_seed(dir, name, bytes, sizeof(bytes));
        }
    }
}

/* Tries every size until the check takes the message: no second table of sizes to keep. */
static void write_msg(int dir, uint32_t type, enum cl_msg_way way, size_t fd_count)
{
    for (uint32_t length = sizeof(struct cl_msg); length <= CL_MSG_MAX; length += 4) {
        uint8_t bytes[2 + CL_MSG_MAX] = { (uint8_t)way, (uint8_t)fd_count };
        struct cl_err err = CL_ERR_INIT;
        union cl_msg_any msg;

        memset(&msg, 0, sizeof(msg));
        msg.head.type = type;
        msg.head.length = length;
        if (cl_msg_check(&msg, length, fd_count, way, &err) < 0)
            continue;
        memcpy(bytes + 2, &msg, length);
        write_seed(dir, cl_msg_name(type), bytes, 2 + length);
        return;
    }
}

static void write_wire(int dir)
{
    write_frames(dir);
    for (uint32_t type = CL_M_HELLO; type <= CL_M_DONE; type++) {
        for (int way = CL_WAY_API_TO_CLOCHED; way <= CL_WAY_LOADER_TO_CLOCHED; way++) {
            write_msg(dir, type, (enum cl_msg_way)way, 0);
            write_msg(dir, type, (enum cl_msg_way)way, 1);
        }
    }
}

static void write_policies(int dir)
{
    struct policy_sample sample;

    policy_sample_init(&sample);
    write_seed(dir, "good", &sample, sizeof(sample));
    sample.head.binds.count = 1;
    write_seed(dir, "half-bind", &sample, sizeof(sample));
    policy_sample_init(&sample);
    sample.filter[1].jt = 9;
    write_seed(dir, "wild-jump", &sample, sizeof(sample));
    policy_sample_init(&sample);
    sample.head.modules.length = UINT32_MAX;
    write_seed(dir, "long-span", &sample, sizeof(sample));
    policy_sample_init(&sample);
    write_seed(dir, "cut", &sample, sizeof(sample.head));
}

static void write_tenants(int dir)
{
    struct cl_tenant_file tenant;

    tenant_sample_init(&tenant);
    write_seed(dir, "good", &tenant, sizeof(tenant));
    tenant.token_count = 3;
    write_seed(dir, "half-token", &tenant, sizeof(tenant));
    tenant_sample_init(&tenant);
    memset(tenant.functions_dir, '/', sizeof(tenant.functions_dir));
    write_seed(dir, "endless-dir", &tenant, sizeof(tenant));
    tenant_sample_init(&tenant);
    tenant.quota.rate.window_s = 0;
    write_seed(dir, "no-window", &tenant, sizeof(tenant));
    write_seed(dir, "cut", &tenant, sizeof(tenant) - 1);
}

int main(int argc, char **argv)
{
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int corpus = -1;
    cl_close_auto int wire = -1;
    cl_close_auto int policyview = -1;
    cl_close_auto int tenantview = -1;

    corpus = cl_file_dir(AT_FDCWD, argc == 2 ? argv[1] : "fuzz/corpus", 0, &err);
    if (corpus >= 0)
        wire = cl_file_dir(corpus, "fuzz_wire", 0755, &err);
    if (wire >= 0)
        policyview = cl_file_dir(corpus, "fuzz_policyview", 0755, &err);
    if (policyview >= 0)
        tenantview = cl_file_dir(corpus, "fuzz_tenantview", 0755, &err);
    if (tenantview < 0) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }

    write_wire(wire);
    write_policies(policyview);
    write_tenants(tenantview);
    return 0;
}
