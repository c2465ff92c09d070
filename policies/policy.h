/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled policy: one flat file in a sealed memfd (F_SEAL_SEAL|SHRINK|GROW|WRITE), written by
 * cloche-policyc, bounds-checked by cl_policyview_open before anyone reads it, mapped read-only.
 * Fixed size head, then the bytes that its spans point into. No pointers, host byte order.
 */
#ifndef CL_POLICY_H
#define CL_POLICY_H

#include <stdint.h>

enum {
    CL_POLICY_MAGIC = 0x504c4301, /* changes with every change of this file */
    CL_POLICY_VERSION = 1,
    CL_POLICY_BYTES_MAX = 1 << 20,
    CL_POLICY_NAME_MAX = 64,
    CL_POLICY_FILTER_MAX = 4096, /* instructions */
    CL_POLICY_SLOTS_MAX = 512,   /* most workers of one pool */
};

/* `count` records of one kind inside the file. For text lists: `length` bytes that hold `count`
 * NUL-terminated UTF-8 strings back to back. */
struct cl_policy_span {
    uint32_t offset; /* from the start of the file, 8 byte aligned */
    uint32_t length; /* bytes */
    uint32_t count;
    uint32_t reserved;
};

enum cl_policy_tier {
    CL_TIER_COMPUTE = 1 << 0,
    CL_TIER_TIME = 1 << 1,
    CL_TIER_THREADS = 1 << 2,
    CL_TIER_ASYNCIO = 1 << 3,
    CL_TIER_LATE_IMPORTS = 1 << 4,
    CL_TIER_TMP_FILES = 1 << 5,
};

enum cl_policy_flag {
    CL_POLICY_EVAL = 1 << 0,               /* python.eval */
    CL_POLICY_TRANSITIVE_LISTED = 1 << 1,  /* python.transitive: listed */
    CL_POLICY_PRELOAD_ALL = 1 << 2,        /* python.preload: all */
    CL_POLICY_ON_VIOLATION_ERRNO = 1 << 3, /* syscalls.on_violation: errno */
    CL_POLICY_SHARED_ZYGOTE = 1 << 4,      /* isolation: policy */
    CL_POLICY_SESSIONS = 1 << 5,           /* sessions.allow */
    CL_POLICY_SESSIONS_TOKEN = 1 << 6,     /* sessions.default: token */
    CL_POLICY_LEARN = 1 << 7,       /* no key: only of a cloched that was told to learn */
    CL_POLICY_NO_REGISTER = 1 << 8, /* python.register: false */
};

struct cl_policy {
    uint32_t magic;
    uint32_t version;
    uint32_t size;  /* bytes of the whole file */
    uint32_t flags; /* enum cl_policy_flag */
    char name[CL_POLICY_NAME_MAX];
    uint8_t digest[16]; /* of the effective policy, to see whether a reload changed it */

    /* limits: ceilings of one call */
    uint64_t wall_ms;
    uint64_t cpu_ms;
    uint64_t memory_bytes;
    uint64_t output_bytes;
    uint64_t result_bytes;
    uint64_t request_bytes;
    uint64_t files_bytes; /* 0: no /tmp */
    uint32_t inodes;
    uint32_t processes;

    uint32_t cpu_weight;    /* 1..10000, 100 is ordinary */
    uint32_t cpu_max_milli; /* thousandths of a core, 0: no cap */
    uint32_t tiers;         /* enum cl_policy_tier */
    uint32_t pool_min;
    uint32_t pool_max;
    uint32_t recycle_calls;
    uint64_t recycle_after_ms;
    uint64_t session_idle_ms;
    uint64_t session_max_ms;
    uint32_t session_threads;
    uint32_t reserved;

    struct cl_policy_span modules; /* text: whole dotted names the caller may import */
    struct cl_policy_span preload; /* text: imported in the zygote (a subset of modules) */
    struct cl_policy_span names;   /* text: "module=name,name", only these names are public */
    struct cl_policy_span builtins_removed; /* text */
    struct cl_policy_span binds;            /* text: source, target, source, target, ... */
    struct cl_policy_span filter; /* struct sock_filter: each worker loads it, last of all */
    struct cl_policy_span filter_zygote; /* likewise: the zygote, once; with the other one it is
                                            the policy's, or it is empty */
    struct cl_policy_span syscalls; /* uint32_t: the numbers that answer ALLOW, for showing */
    struct cl_policy_span description; /* text: 0 or 1 string */
};

#endif
