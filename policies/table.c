/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a policy, all of it, and how the rows are looked up.
 * Runs in: cloche-policyc.
 * Trusts: nothing that is parsed.
 */
#include "policies/table.h"

#include <string.h>

#include "policies/keys.h"
#include "policies/policy.h"
#include "policies/spec.h"
#include "policies/text.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

#define KI              (1ull << 10)
#define MI              (1ull << 20)
#define GI              (1ull << 30)
#define SECONDS         1000ull
#define HOURS           (3600 * SECONDS)
#define AT(field)       .at = offsetof(struct cl_spec, field)
#define RANGE(from, to) .least = (from), .most = (to)

#define TIERS "compute time threads asyncio late_imports tmp_files"

const struct cl_key cl_table[] = {
    { "version", CL_KEY_COUNT, AT(version), RANGE(1, 1),
      .doc = "Format of this file. Must be there." },
    { "extends", CL_KEY_PARENT, AT(parent),
      .doc = "The policy whose values hold where this one says nothing." },
    { "description", CL_KEY_TEXT, AT(description), .doc = "One line for people." },

    { "python", CL_KEY_SECTION,
      .doc = "What Python code may import and name. Good errors and "
             "least import; the boundary is the kernel jail." },
    { "python.modules", CL_KEY_LIST, CL_ITEM_MODULE, AT(modules), .fallback = "",
      .doc = "Modules the caller's code may import, as whole dotted names: `urllib.parse` does "
             "not grant `urllib`." },
    { "python.names", CL_KEY_NAMES, AT(names),
      .doc = "Per module, the only public names it shows. `all` lifts a parent's entry." },
    { "python.preload", CL_KEY_PRELOAD, CL_ITEM_MODULE, AT(preload), .words = "none all",
      .fallback = "none",
      .doc = "Modules imported before the jail exists, so that a call finds them warm. The "
             "others are imported from bytecode kept in memory." },
    { "python.transitive", CL_KEY_WORD, AT(transitive), .words = "allow listed",
      .fallback = "allow",
      .doc = "What allowed modules may import for themselves: anything, or listed ones only." },
    { "python.eval", CL_KEY_BOOL, AT(eval), .fallback = "false",
      .doc = "Whether restricted expressions may be evaluated (POST /v1/eval)." },
    { "python.register", CL_KEY_BOOL, AT(registers), .fallback = "true",
      .doc = "Whether python/v1 callers may register functions of their own." },
    { "python.builtins", CL_KEY_SECTION, .doc = "The built-in functions." },
    { "python.builtins.remove", CL_KEY_LIST, CL_ITEM_IDENTIFIER, AT(builtins_removed),
      .fallback = "open input breakpoint", .doc = "Built-in names the caller's code lacks." },

    { "limits", CL_KEY_SECTION, .doc = "Ceilings of one call; a call may ask for less." },
    { "limits.wall", CL_KEY_TIME, AT(wall_ms), RANGE(1, 24 * HOURS), .fallback = "5s",
      .doc = "Time from the start of the call to its end." },
    { "limits.cpu", CL_KEY_TIME, AT(cpu_ms), RANGE(1, 24 * HOURS), .fallback = "2s",
      .doc = "Processor time, of all threads together." },
    { "limits.memory", CL_KEY_BYTES, AT(memory_bytes), RANGE(16 * MI, 1024 * GI),
      .fallback = "128Mi", .doc = "Memory of the jail, its files in /tmp included." },
    { "limits.processes", CL_KEY_COUNT, AT(processes), RANGE(1, 1024), .fallback = "1",
      .doc = "Tasks at the same time, threads included; 1 is neither thread nor child." },
    { "limits.output", CL_KEY_BYTES, AT(output_bytes), RANGE(0, 16 * GI), .fallback = "1Mi",
      .doc = "Bytes printed, stdout and stderr together." },
    { "limits.result", CL_KEY_BYTES, AT(result_bytes), RANGE(2, CL_FRAME_OUT_MAX),
      .fallback = "1Mi", .doc = "Bytes of the result as JSON." },
    { "limits.request", CL_KEY_BYTES, AT(request_bytes), RANGE(64, 64 * MI), .fallback = "4Mi",
      .doc = "Bytes of the body that asks for the call." },
    { "limits.files", CL_KEY_BYTES, AT(files_bytes), RANGE(0, 64 * GI), .fallback = "0",
      .doc = "Bytes in the private /tmp; 0 is no /tmp at all. Needs the tier `tmp_files`." },
    { "limits.inodes", CL_KEY_COUNT, AT(inodes), RANGE(16, 1 << 20), .fallback = "1024",
      .doc = "Files and directories in the private /tmp." },
    { "limits.calls_per_worker", CL_KEY_COUNT, AT(calls_per_worker), RANGE(1, 1),
      .fallback = "1", .doc = "Fixed: a worker never serves a second call." },

    { "cpu", CL_KEY_SECTION, .doc = "The processors' share." },
    { "cpu.weight", CL_KEY_COUNT, AT(cpu_weight), RANGE(1, 10000), .fallback = "100",
      .doc = "Share under contention, as cgroups count it; 100 is ordinary." },
    { "cpu.max", CL_KEY_CORES, AT(cpu_max_milli), RANGE(10, 1024000), .fallback = "1.0",
      .doc = "Most cores at once." },

    { "network", CL_KEY_WORD, AT(network), .words = "none", .fallback = "none",
      .later = "a jail has no network, and this version cannot give it any",
      .doc = "What the jail reaches: nothing." },

    { "files", CL_KEY_SECTION, .doc = "What the jail sees of the host's files." },
    { "files.read_only", CL_KEY_BINDS, AT(binds),
      .doc = "Directories of the host visible inside, `[{source: /srv/models, target: "
             "/models}]`. Each source must belong to root, as must the way to it, and no link "
             "may be part of its path. Opens the system calls that read files, no others." },

    { "syscalls", CL_KEY_SECTION,
      .doc = "What native code in the jail may ask of the kernel." },
    { "syscalls.tiers", CL_KEY_LIST, CL_ITEM_TIER, AT(tiers), .words = TIERS,
      .fallback = "compute time", .doc = "Documented groups of system calls." },
    { "syscalls.allow", CL_KEY_LIST, CL_ITEM_SYSCALL, AT(allow), .fallback = "",
      .doc = "More system calls, with any argument. Risky ones need an entry under `reason`." },
    { "syscalls.deny", CL_KEY_LIST, CL_ITEM_SYSCALL, AT(deny), .fallback = "",
      .doc = "System calls taken out of the tiers." },
    { "syscalls.on_violation", CL_KEY_WORD, AT(on_violation), .words = "kill errno",
      .fallback = "kill", .doc = "What a refused system call does: end the call, or fail." },

    { "sessions", CL_KEY_SECTION, .doc = "Jails kept for one caller from call to call." },
    { "sessions.allow", CL_KEY_BOOL, AT(session_allow), .fallback = "false",
      .doc = "Whether there may be any." },
    { "sessions.default", CL_KEY_WORD, AT(session_default), .words = "none token",
      .fallback = "none", .doc = "`token` gives callers of the python/v1 protocol one each." },
    { "sessions.idle", CL_KEY_TIME, AT(session_idle_ms), RANGE(1 * SECONDS, 24 * HOURS),
      .fallback = "15m", .doc = "Ends a session that nobody uses." },
    { "sessions.max", CL_KEY_TIME, AT(session_max_ms), RANGE(1 * SECONDS, 168 * HOURS),
      .fallback = "4h", .doc = "Ends any session." },
    { "sessions.threads", CL_KEY_COUNT, AT(session_threads), RANGE(1, 64), .fallback = "4",
      .doc = "Calls at the same time in one session: in threads, where the policy has them and "
             "limits.processes leaves room beside two of the session's own." },

    { "isolation", CL_KEY_WORD, AT(isolation), .words = "tenant policy", .fallback = "tenant",
      .doc = "Who shares a warm interpreter that workers are forked from: calls of one tenant, "
             "or all under this policy. Every call has its own jail either way." },

    { "pool", CL_KEY_SECTION, .doc = "Jails made ahead." },
    { "pool.min", CL_KEY_COUNT, AT(pool_min), RANGE(0, CL_POLICY_SLOTS_MAX), .fallback = "2",
      .doc = "Kept ready always." },
    { "pool.max", CL_KEY_COUNT, AT(pool_max), RANGE(1, CL_POLICY_SLOTS_MAX), .fallback = "32",
      .doc = "At most, running ones included." },
    { "pool.recycle_calls", CL_KEY_COUNT, AT(recycle_calls), RANGE(1, 1000000000),
      .fallback = "10000", .doc = "Calls after which the warm interpreter is replaced." },
    { "pool.recycle_after", CL_KEY_TIME, AT(recycle_after_ms), RANGE(1 * SECONDS, 168 * HOURS),
      .fallback = "10m", .doc = "Time after which the warm interpreter is replaced." },

    { "reason", CL_KEY_REASONS, AT(reasons),
      .doc = "Why a risky grant was made: `syscalls.allow.memfd_create: \"arrow needs it\"`." },
};

const size_t cl_table_count = CL_COUNT(cl_table);

_Static_assert(CL_COUNT(cl_table) <= CL_SPEC_KEYS_MAX, "an origin for every key");

const struct cl_key *cl_table_find(const char *path)
{
    const struct cl_keys keys = { cl_table, cl_table_count };

    return cl_keys_find(&keys, path);
}

size_t cl_table_index(const struct cl_key *key)
{
    return (size_t)(key - cl_table);
}

const char *cl_table_word(const struct cl_key *key)
{
    const char *dot = strrchr(key->path, '.');

    return dot ? dot + 1 : key->path;
}
