/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits' part of `cloche policy test`: for each, a program below it, one above it, and the
 * ceiling itself: a call may ask for it, and for no more.
 * Runs in: cloche, as root.
 * Trusts: the policy's compiled form for what is expected.
 */
#include <inttypes.h>
#include <string.h>

#include "api/cli/prove.h"
#include "sandbox/base/own.h"

enum {
    QUICK_MS = 500, /* a limit on time up to this is waited for as it is */
    WALL_MS = 300,  /* a longer one is narrowed to this */
    CPU_MS = 200,
    BIG_BYTES = 256 << 20,  /* more memory than this is not asked of the host */
    REQUEST_MAX = 64 << 20, /* nor a longer body sent */
};

static const struct cl_expected granted = { CL_PROOF_GRANT, "ok", NULL };
static const struct cl_expected wider = { CL_PROOF_REFUSAL, "refused", NULL };
static const char nothing[] = "def main(): return 1\n";

/* ---------------------------------------------------------------------------------- ceilings */

static int prove_ceiling(struct cl_prove *prove, const char *name, uint64_t value,
                         const char *unit)
{
    const char *quote = *unit == '#' ? "" : "\"";
    char what[96];
    char more[128];

    unit += *unit == '#';
    if (value > 0) {
        snprintf(what, sizeof(what), "limits.%s %" PRIu64 "%s may be asked for", name, value,
                 unit);
        snprintf(more, sizeof(more), ",\"limits\":{\"%s\":%s%" PRIu64 "%s%s}", name, quote,
                 value, unit, quote);
        if (cl_prove_call(prove, &granted, what, nothing, more) < 0)
            return -1;
    }
    snprintf(what, sizeof(what), "limits.%s %" PRIu64 "%s is too much", name, value + 1, unit);
    snprintf(more, sizeof(more), ",\"limits\":{\"%s\":%s%" PRIu64 "%s%s}", name, quote,
             value + 1, unit, quote);
    return cl_prove_call(prove, &wider, what, nothing, more);
}

static int prove_ceilings(struct cl_prove *prove, const struct cl_policy *policy)
{
    const struct {
        const char *name;
        uint64_t value;
        const char *unit; /* "#": a number, not a text */
    } rows[] = {
        { "wall", policy->wall_ms, "ms" },       { "cpu", policy->cpu_ms, "ms" },
        { "memory", policy->memory_bytes, "" },  { "output", policy->output_bytes, "" },
        { "result", policy->result_bytes, "" },  { "files", policy->files_bytes, "" },
        { "processes", policy->processes, "#" },
    };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (prove_ceiling(prove, rows[i].name, rows[i].value, rows[i].unit) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- time */

static int prove_time(struct cl_prove *prove, const char *name, uint64_t limit_ms,
                      uint64_t narrow_ms)
{
    const struct cl_expected limited = { CL_PROOF_REFUSAL, "limit", name };
    char what[96];
    char more[64] = "";

    if (limit_ms > QUICK_MS)
        snprintf(more, sizeof(more), ",\"limits\":{\"%s\":\"%" PRIu64 "ms\"}", name, narrow_ms);
    snprintf(what, sizeof(what), "limits.%s ends an endless loop after %" PRIu64 " ms", name,
             *more ? narrow_ms : limit_ms);
    return cl_prove_call(prove, &limited, what, "def main():\n    while True: pass\n", more);
}

/* Whichever of the two is lower ends an endless loop, so the other one is narrowed below it. */
static int prove_times(struct cl_prove *prove, const struct cl_policy *policy)
{
    const bool is_wall_low = policy->wall_ms < policy->cpu_ms;
    const uint64_t wall_ms = policy->wall_ms < WALL_MS ? policy->wall_ms : WALL_MS;
    const uint64_t cpu_ms = policy->cpu_ms < CPU_MS ? policy->cpu_ms : CPU_MS;

    if (prove_time(prove, "wall", is_wall_low ? policy->wall_ms : UINT64_MAX, wall_ms) < 0)
        return -1;
    return prove_time(prove, "cpu", is_wall_low ? UINT64_MAX : policy->cpu_ms, cpu_ms);
}

/* ------------------------------------------------------------------------------------- sizes */

struct size_case {
    const char *name, *format; /* of the source, with one %PRIu64 */
    uint64_t below, above;
    const char *more;
};

static int prove_size(struct cl_prove *prove, const struct size_case *one)
{
    const struct cl_expected limited = { CL_PROOF_REFUSAL, "limit", one->name };
    char what[96];
    char source[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* of the table below */
    snprintf(what, sizeof(what), "limits.%s: %" PRIu64 " bytes", one->name, one->below);
    snprintf(source, sizeof(source), one->format, one->below);
    if (cl_prove_call(prove, &granted, what, source, one->more) < 0)
        return -1;
    snprintf(what, sizeof(what), "limits.%s: %" PRIu64 " bytes", one->name, one->above);
    snprintf(source, sizeof(source), one->format, one->above);
#pragma GCC diagnostic pop
    return cl_prove_call(prove, &limited, what, source, one->more);
}

static int prove_sizes(struct cl_prove *prove, const struct cl_policy *policy)
{
    const bool is_big = policy->memory_bytes > BIG_BYTES;
    const uint64_t memory = is_big ? BIG_BYTES : policy->memory_bytes;
    const struct size_case cases[] = {
        { "memory", "def main(): return len(bytearray(%" PRIu64 "))\n", memory / 4,
          memory + (1 << 20), is_big ? ",\"limits\":{\"memory\":\"256Mi\"}" : "" },
        { "output", "def main(): print('x' * %" PRIu64 ")\n", policy->output_bytes / 2,
          policy->output_bytes * 2 + 1, "" },
        { "result", "def main(): return 'x' * %" PRIu64 "\n", policy->result_bytes / 2,
          policy->result_bytes + 1, "" },
    };

    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        if (prove_size(prove, &cases[i]) < 0)
            return -1;
    }
    return 0;
}

/* ----------------------------------------------------------------------------------- requests */

static int put_padded(struct cl_prove *prove, struct cl_buf *body, uint64_t length,
                      struct cl_err *err)
{
    static const char end[] = "\"]}";
    uint8_t *room;
    size_t pad;

    if (cl_buf_format(body, err,
                      "{\"policy\":\"%s\",\"source\":\"def main(x): return len(x)\","
                      "\"args\":[\"",
                      prove->own.name) < 0)
        return -1;
    pad = length > body->length + sizeof(end) ? length - body->length - sizeof(end) + 1 : 0;
    room = cl_buf_room(body, pad, err);
    if (!room)
        return -1;
    memset(room, 'x', pad);
    body->length += pad;
    return cl_buf_put_text(body, end, err);
}

static int prove_request(struct cl_prove *prove, const struct cl_policy *policy)
{
    const uint64_t lengths[] = { policy->request_bytes / 2, policy->request_bytes + 1 };
    const struct cl_expected *const expected[] = { &granted, &wider };
    struct cl_err err = CL_ERR_INIT;
    char what[96];

    for (size_t i = 0; i < CL_COUNT(lengths) && lengths[i] <= REQUEST_MAX; i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_PRIVATE_CALL_MAX);
        snprintf(what, sizeof(what), "limits.request: %" PRIu64 " bytes", lengths[i]);
        if (put_padded(prove, &body, lengths[i], &err) < 0 ||
            cl_prove_post(prove, expected[i], what, "/v1/calls", &body) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------------------- files, processes */

static int prove_files(struct cl_prove *prove, const struct cl_policy *policy)
{
    static const struct cl_expected full = { CL_PROOF_REFUSAL, "limit", "files" };
    char source[512];

    if (policy->files_bytes == 0)
        return cl_prove_call(prove, &wider, "limits.files: there is no /tmp", nothing,
                             ",\"files\":[{\"path\":\"a.txt\",\"text\":\"x\"}]");
    if (!cl_prove_has_builtin(prove, "open"))
        return 0;
    snprintf(source, sizeof(source),
             "def main():\n    with open('/tmp/a', 'wb') as f:\n"
             "        for _ in range(%" PRIu64 "): f.write(bytes(4096))\n",
             policy->files_bytes / 2 / 4096);
    if (cl_prove_call(prove, &granted, "limits.files: half of them", source, "") < 0)
        return -1;
    snprintf(source, sizeof(source),
             "def main():\n    with open('/tmp/a', 'wb') as f:\n"
             "        for _ in range(%" PRIu64 "): f.write(bytes(4096))\n",
             policy->files_bytes / 4096 + 256);
    if (cl_prove_call(prove, &full, "limits.files: more than all", source, "") < 0)
        return -1;
    snprintf(source, sizeof(source),
             "def main():\n    for i in range(%u): open(f'/tmp/{i}', 'w').close()\n",
             policy->inodes + 1);
    return cl_prove_call(prove, &full, "limits.inodes: one file too many", source, "");
}

static int prove_processes(struct cl_prove *prove, const struct cl_policy *policy)
{
    static const struct cl_expected full = { CL_PROOF_REFUSAL, "limit", "processes" };
    static const char format[] = "import threading\n"
                                 "def main():\n"
                                 "    end = threading.Event()\n"
                                 "    try:\n"
                                 "        for _ in range(%u):\n"
                                 "            threading.Thread(target=end.wait).start()\n"
                                 "    finally:\n"
                                 "        end.set()\n";
    char source[512];

    if (!(policy->tiers & CL_TIER_THREADS) || !cl_prove_lists(prove, "threading"))
        return 0; /* proved by the system calls that would make one */
    snprintf(source, sizeof(source), format, policy->processes - 1);
    if (cl_prove_call(prove, &granted, "limits.processes: all of them", source, "") < 0)
        return -1;
    snprintf(source, sizeof(source), format, policy->processes);
    return cl_prove_call(prove, &full, "limits.processes: one too many", source, "");
}

int cl_prove_limits(struct cl_prove *prove)
{
    static int (*const parts[])(struct cl_prove *, const struct cl_policy *) = {
        prove_ceilings, prove_times, prove_sizes, prove_request, prove_files, prove_processes,
    };
    const struct cl_policy *policy = cl_private_policy(&prove->own);

    for (size_t i = 0; i < CL_COUNT(parts); i++) {
        if (parts[i](prove, policy) < 0)
            return -1;
    }
    return 0;
}
