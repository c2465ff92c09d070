/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the sample: every kind of span, a filter that refuses another architecture.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/policy_sample.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static void init_limits(struct cl_policy *head)
{
    head->wall_ms = 5000;
    head->cpu_ms = 2000;
    head->memory_bytes = 128 << 20;
    head->output_bytes = 1 << 20;
    head->result_bytes = 1 << 20;
    head->request_bytes = 4 << 20;
    head->inodes = 1024;
    head->processes = 1;
    head->cpu_weight = 100;
    head->cpu_max_milli = 1000;
    head->tiers = CL_TIER_COMPUTE | CL_TIER_TIME;
    head->pool_min = 2;
    head->pool_max = 32;
    head->recycle_calls = 10000;
    head->recycle_after_ms = 600000;
}

static struct cl_policy_span span_of(size_t offset, size_t length, uint32_t count)
{
    struct cl_policy_span span = { (uint32_t)offset, (uint32_t)length, count, 0 };

    return span;
}

/* `texts` are `length` bytes of terminated strings. */
static struct cl_policy_span put(struct policy_sample *sample, char *at, const char *texts,
                                 size_t length, uint32_t count)
{
    memcpy(at, texts, length);
    return span_of((size_t)(at - (char *)sample), length, count);
}

#define PUT(field, texts, count)                                                               \
    sample->head.field = put(sample, sample->field, texts, sizeof(texts), count)

void policy_sample_init(struct policy_sample *sample)
{
    static const struct sock_filter filter[POLICY_SAMPLE_STEPS] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    memset(sample, 0, sizeof(*sample));
    sample->head.magic = CL_POLICY_MAGIC;
    sample->head.version = CL_POLICY_VERSION;
    sample->head.size = sizeof(*sample);
    snprintf(sample->head.name, sizeof(sample->head.name), "sample-1");
    init_limits(&sample->head);

    memcpy(sample->filter, filter, sizeof(filter));
    sample->head.filter =
        span_of(offsetof(struct policy_sample, filter), sizeof(filter), POLICY_SAMPLE_STEPS);
    memcpy(sample->filter_zygote, filter, sizeof(filter));
    sample->head.filter_zygote = span_of(offsetof(struct policy_sample, filter_zygote),
                                         sizeof(filter), POLICY_SAMPLE_STEPS);
    sample->syscalls[0] = SYS_read;
    sample->syscalls[1] = SYS_write;
    sample->head.syscalls =
        span_of(offsetof(struct policy_sample, syscalls), sizeof(sample->syscalls), 2);
    PUT(modules, "math\0json\0urllib.parse", 3);
    PUT(preload, "math", 1);
    PUT(names, "uuid=UUID,uuid4", 1);
    PUT(builtins_removed, "open\0input", 2);
    PUT(binds, "/srv/models\0/models", 2);
    PUT(description, "Numbers,\n\tnothing else.", 1);
}
