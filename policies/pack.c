/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flattens an effective policy: a head of fixed size, then the bytes its spans point into.
 * Runs in: cloche-policyc.
 * Trusts: the checks that made the spec; proves its output with the readers' own check.
 */
#include "policies/pack.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policies/filter.h"
#include "policies/policy.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/sealed.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

enum { ALIGNMENT = 8 };

static void pack_numbers(const struct cl_spec *spec, struct cl_policy *policy)
{
    policy->wall_ms = spec->wall_ms;
    policy->cpu_ms = spec->cpu_ms;
    policy->memory_bytes = spec->memory_bytes;
    policy->output_bytes = spec->output_bytes;
    policy->result_bytes = spec->result_bytes;
    policy->request_bytes = spec->request_bytes;
    policy->files_bytes = spec->files_bytes;
    policy->inodes = (uint32_t)spec->inodes;
    policy->processes = (uint32_t)spec->processes;
    policy->cpu_weight = (uint32_t)spec->cpu_weight;
    policy->cpu_max_milli = (uint32_t)spec->cpu_max_milli;
    policy->tiers = cl_spec_tiers(spec);
    policy->pool_min = (uint32_t)spec->pool_min;
    policy->pool_max = (uint32_t)spec->pool_max;
    policy->recycle_calls = (uint32_t)spec->recycle_calls;
    policy->recycle_after_ms = spec->recycle_after_ms;
    policy->session_idle_ms = spec->session_idle_ms;
    policy->session_max_ms = spec->session_max_ms;
    policy->session_threads = (uint32_t)spec->session_threads;
}

static uint32_t flags_of(const struct cl_spec *spec)
{
    const struct {
        bool is_set;
        uint32_t flag;
    } flags[] = {
        { spec->eval, CL_POLICY_EVAL },
        { !spec->registers, CL_POLICY_NO_REGISTER },
        { spec->transitive, CL_POLICY_TRANSITIVE_LISTED },
        { spec->preload_mode == CL_PRELOAD_ALL, CL_POLICY_PRELOAD_ALL },
        { spec->on_violation, CL_POLICY_ON_VIOLATION_ERRNO },
        { spec->isolation, CL_POLICY_SHARED_ZYGOTE },
        { spec->session_allow, CL_POLICY_SESSIONS },
        { spec->session_default, CL_POLICY_SESSIONS_TOKEN },
    };
    uint32_t set = 0;

    for (size_t i = 0; i < CL_COUNT(flags); i++)
        set |= flags[i].is_set ? flags[i].flag : 0;
    return set;
}

static int align(struct cl_buf *buf, struct cl_err *err)
{
    static const char zeros[ALIGNMENT];

    return cl_buf_put(buf, zeros, (ALIGNMENT - buf->length % ALIGNMENT) % ALIGNMENT, err);
}

/* `size` bytes of records, aligned. */
static int put_records(struct cl_buf *buf, struct cl_policy_span *span, const void *records,
                       size_t count, size_t record_size, struct cl_err *err)
{
    if (align(buf, err) < 0)
        return -1;
    span->offset = (uint32_t)buf->length;
    span->length = (uint32_t)(count * record_size);
    span->count = (uint32_t)count;
    return cl_buf_put(buf, records, count * record_size, err);
}

static int put_text(struct cl_buf *buf, struct cl_policy_span *span, const char *text,
                    struct cl_err *err)
{
    span->count++;
    return cl_buf_put(buf, text, strlen(text) + 1, err);
}

static int put_texts(struct cl_buf *buf, struct cl_policy_span *span,
                     const struct cl_items *items, struct cl_err *err)
{
    if (align(buf, err) < 0)
        return -1;
    span->offset = (uint32_t)buf->length;
    for (size_t i = 0; i < items->count; i++) {
        if (put_text(buf, span, items->items[i].text, err) < 0)
            return -1;
    }
    span->length = (uint32_t)buf->length - span->offset;
    return 0;
}

/* What a parent preloads or names counts only while its child still grants the module. */
static int put_granted(struct cl_buf *buf, struct cl_policy_span *span,
                       const struct cl_items *items, const struct cl_spec *spec,
                       struct cl_err *err)
{
    struct cl_items granted = { NULL, 0 };
    char module[CL_NAME_MAX * 2];

    for (size_t i = 0; i < items->count; i++) {
        const struct cl_item *item = &items->items[i];
        size_t length = strcspn(item->text, "=");
        if (length >= sizeof(module))
            continue;
        memcpy(module, item->text, length);
        module[length] = '\0';
        if (cl_items_find(&spec->modules, module))
            cl_items_add(&granted, item->text, item->place);
    }
    int done = put_texts(buf, span, &granted, err);
    cl_items_fini(&granted);
    return done;
}

static int put_spans(const struct cl_spec *spec, struct cl_buf *buf, struct cl_policy *policy,
                     struct cl_err *err)
{
    static const struct cl_items none = { NULL, 0 };
    const struct cl_items *preload =
        spec->preload_mode == CL_PRELOAD_LIST ? &spec->preload : &none;

    if (put_texts(buf, &policy->modules, &spec->modules, err) < 0 ||
        put_granted(buf, &policy->preload, preload, spec, err) < 0 ||
        put_granted(buf, &policy->names, &spec->names, spec, err) < 0 ||
        put_texts(buf, &policy->builtins_removed, &spec->builtins_removed, err) < 0 ||
        put_texts(buf, &policy->binds, &spec->binds, err) < 0)
        return -1;
    return put_texts(buf, &policy->description, &spec->description, err);
}

static bool is_learning;

void cl_pack_learn(void)
{
    is_learning = true;
}

/* A trap does not make the call either; its error travels with it, 0 where the worker would end.
 * After ENOSYS libraries make another call, which is noted; pthread_create makes its first try with
 * all signals blocked, where a trap would kill. */
static void trap_refusals(struct cl_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        struct sock_filter *step = &filter->steps[i];
        if (step->code == (BPF_RET | BPF_K) &&
            (step->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
            (step->k & SECCOMP_RET_DATA) != ENOSYS)
            step->k = SECCOMP_RET_TRAP | (step->k & SECCOMP_RET_DATA);
    }
}

static int put_steps(struct cl_buf *buf, struct cl_policy_span *span, struct cl_filter *filter,
                     struct cl_err *err)
{
    if (is_learning)
        trap_refusals(filter);
    return put_records(buf, span, filter->steps, filter->count, sizeof(filter->steps[0]), err);
}

static int put_filter(const struct cl_spec *spec, struct cl_buf *buf, struct cl_policy *policy,
                      struct cl_err *err)
{
    cl_free_auto struct cl_filter *filter = malloc(sizeof(*filter));
    bool splits = cl_filter_splits(spec);

    CL_CHECK(filter);
    if (cl_filter_make(spec, CL_FILTER_WHOLE, filter, err) < 0 ||
        put_records(buf, &policy->syscalls, filter->open, filter->open_count,
                    sizeof(filter->open[0]), err) < 0)
        return -1;
    if (splits && cl_filter_make(spec, CL_FILTER_WORKER, filter, err) < 0)
        return -1;
    if (put_steps(buf, &policy->filter, filter, err) < 0)
        return -1;
    if (!splits)
        return 0;
    return cl_filter_make(spec, CL_FILTER_ZYGOTE, filter, err) < 0
               ? -1
               : put_steps(buf, &policy->filter_zygote, filter, err);
}

/* Only to see whether a reload changed anything: no attacker chooses these bytes, so two
 * different multiplicative hashes (FNV-1a and one with a shift) are enough. */
static void digest(const struct cl_buf *buf, uint8_t out[16])
{
    uint64_t hashes[2] = { 0xcbf29ce484222325u, 0x9e3779b97f4a7c15u };

    for (size_t i = 0; i < buf->length; i++) {
        hashes[0] = (hashes[0] ^ buf->bytes[i]) * 0x100000001b3u;
        hashes[1] = (hashes[1] ^ buf->bytes[i]) * 0xff51afd7ed558ccdu;
        hashes[1] ^= hashes[1] >> 32;
    }
    memcpy(out, hashes, sizeof(hashes));
}

int cl_pack_make(const struct cl_spec *spec, struct cl_buf *buf, struct cl_err *err)
{
    struct cl_policy policy;

    memset(&policy, 0, sizeof(policy));
    policy.magic = CL_POLICY_MAGIC;
    policy.version = CL_POLICY_VERSION;
    policy.flags = flags_of(spec) | (is_learning ? CL_POLICY_LEARN : 0);
    memcpy(policy.name, spec->name, sizeof(policy.name));
    pack_numbers(spec, &policy);

    CL_CHECK(buf->length == 0);
    if (cl_buf_put(buf, &policy, sizeof(policy), err) < 0 ||
        put_spans(spec, buf, &policy, err) < 0 || put_filter(spec, buf, &policy, err) < 0)
        return -1;
    policy.size = (uint32_t)buf->length;
    memcpy(buf->bytes, &policy, sizeof(policy));
    digest(buf, policy.digest);
    memcpy(buf->bytes, &policy, sizeof(policy));

    if (cl_policyview_check(buf->bytes, buf->length, err) < 0)
        return cl_err_context(err, "own output");
    return 0;
}

int cl_pack_seal(const struct cl_buf *buf, struct cl_err *err)
{
    const unsigned flags = MFD_ALLOW_SEALING | MFD_CLOEXEC;
    cl_close_auto int file = memfd_create("policy", flags | MFD_NOEXEC_SEAL);

    if (file < 0)
        file = memfd_create("policy", flags);
    if (file < 0)
        return cl_fail(err, CL_E_SYS, "make a file for the policy");
    if (cl_file_write_all(file, buf->bytes, buf->length, err) < 0)
        return -1;
    return cl_seal(file, "policy", err) < 0 ? -1 : cl_take_fd(&file);
}
