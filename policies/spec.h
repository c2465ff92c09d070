/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An effective policy while it is being made: values of every key, parents merged in, and for
 * each where it came from. What `explain` shows and `pack` flattens.
 */
#ifndef CL_POLICIES_SPEC_H
#define CL_POLICIES_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policies/items.h"
#include "policies/node.h"
#include "policies/report.h"

enum { CL_SPEC_KEYS_MAX = 64 };

enum { CL_PRELOAD_LIST = 0, CL_PRELOAD_NONE, CL_PRELOAD_ALL };

struct cl_spec {
    char name[CL_NAME_MAX];
    const struct cl_doc *doc; /* borrowed, like those of every place */

    /* One field per scalar key of the table; units as in struct cl_policy. */
    uint64_t version;
    uint64_t transitive, eval, registers;
    uint64_t wall_ms, cpu_ms, memory_bytes, processes, output_bytes, result_bytes;
    uint64_t request_bytes, files_bytes, inodes, calls_per_worker;
    uint64_t cpu_weight, cpu_max_milli;
    uint64_t network, on_violation, isolation;
    uint64_t session_allow, session_default, session_idle_ms, session_max_ms, session_threads;
    uint64_t pool_min, pool_max, recycle_calls, recycle_after_ms;
    uint64_t preload_mode; /* CL_PRELOAD_*; the list counts for CL_PRELOAD_LIST only */

    struct cl_items parent;      /* at most one, never inherited */
    struct cl_items description; /* at most one */
    struct cl_items modules;
    struct cl_items names; /* "module=name,name" */
    struct cl_items preload;
    struct cl_items builtins_removed;
    struct cl_items binds; /* source, target, source, target, ... */
    struct cl_items tiers; /* as words */
    struct cl_items allow, deny;
    struct cl_items reasons; /* "key.path.item=text" */

    struct cl_place origin[CL_SPEC_KEYS_MAX]; /* by index of the table; doc NULL: the default */
};

/* The defaults of the table. */
struct cl_spec *cl_spec_new(const struct cl_doc *doc);
/* A copy of the parent's values, to be changed by `doc`. */
struct cl_spec *cl_spec_inherit(const struct cl_spec *parent, const struct cl_doc *doc);
void cl_spec_free(struct cl_spec *spec);

/* Where a row keeps its value: a number, or (from CL_KEY_TEXT on) items. */
struct cl_key;
bool cl_spec_is_items(const struct cl_key *key);
uint64_t *cl_spec_number(struct cl_spec *spec, const struct cl_key *key);
struct cl_items *cl_spec_items(struct cl_spec *spec, const struct cl_key *key);

/* The word list of `tiers` as a mask of enum cl_policy_tier. */
uint32_t cl_spec_tiers(const struct cl_spec *spec);

#endif
