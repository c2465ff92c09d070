/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of tenants.yaml, all of it, and the values that only tenants have.
 * Runs in: cloche-policyc.
 * Trusts: nothing that is parsed.
 */
#include "policies/tenanttable.h"

#include <stdio.h>
#include <string.h>

#include "policies/tenant.h"
#include "policies/text.h"
#include "policies/value.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

#define MI              (1ull << 20)
#define GI              (1ull << 30)
#define HOURS           (3600 * 1000ull)
#define QUOTA(field)    .at = offsetof(struct cl_tenant_file, quota.field)
#define RANGE(from, to) .least = (from), .most = (to)

static const struct cl_key rows[] = {
    { "version", CL_KEY_COUNT, RANGE(1, 1), .doc = "Format of this file. Must be there." },
    { "tenants", CL_KEY_NAMED,
      .doc =
          "Who may call. The tenant `local`, whose token is in the state directory, is always "
          "there and stands in no file." },
    { "tenants.*", CL_KEY_SECTION,
      .doc = "One tenant. Its name is made of a-z 0-9 _ - and names its calls, modules and "
             "state." },
    { "tenants.*.policies", CL_KEY_POLICIES,
      .doc = "Policies it may use; the first is its default. Must be there." },
    { "tenants.*.tokens", CL_KEY_ENTRIES,
      .doc = "What its callers show, up to 64. `cloche token create` makes one and prints the "
             "entry for it; none is kept in a form that could be shown again." },
    { "tenants.*.tokens.*.id", CL_KEY_NAME,
      .doc = "Name of the token, for logs and to revoke it. Must be there." },
    { "tenants.*.tokens.*.hash", CL_KEY_HASH,
      .doc = "BLAKE2b-256 of the token. Must be there." },
    { "tenants.*.tokens.*.scopes", CL_KEY_LIST, .words = CL_SCOPE_WORDS,
      .fallback = "call modules workflows policies:read",
      .doc = "What it opens: running code, changing modules, workflows, reading policies, the "
             "service's own figures." },
    { "tenants.*.certificates", CL_KEY_ENTRIES,
      .doc =
          "Certificates of its callers, up to 64, where `tls.client_ca` of `cloche.yaml` asks "
          "for them. Of a request with both, the token counts." },
    { "tenants.*.certificates.*.id", CL_KEY_NAME,
      .doc =
          "Name of the certificate, for logs; no token of the tenant has it. Must be there." },
    { "tenants.*.certificates.*.fingerprint", CL_KEY_PRINT,
      .doc =
          "SHA-256 of the certificate: `openssl x509 -in FILE -outform DER | sha256sum`. Must "
          "be there; taken away, the certificate opens nothing any more." },
    { "tenants.*.certificates.*.scopes", CL_KEY_LIST, .words = CL_SCOPE_WORDS,
      .fallback = "call modules workflows policies:read", .doc = "As those of a token." },
    { "tenants.*.quota", CL_KEY_SECTION,
      .doc =
          "What the tenant gets, all its tokens together. A key that is not there is no limit "
          "of its own; policies and the machine have theirs." },
    { "tenants.*.quota.concurrency", CL_KEY_COUNT, QUOTA(concurrency), RANGE(1, 65536),
      .doc = "Calls that run at once; more of them wait." },
    { "tenants.*.quota.queue", CL_KEY_COUNT, QUOTA(queue), RANGE(1, 65536),
      .doc = "Calls that wait; more are answered with 429." },
    { "tenants.*.quota.rate", CL_KEY_RATE, QUOTA(rate), RANGE(1, 1000000),
      .doc = "Calls in a second, minute or hour; more are answered with 429." },
    { "tenants.*.quota.burst", CL_KEY_COUNT, QUOTA(burst), RANGE(1, 1000000),
      .doc =
          "Calls that may come at once before the rate holds them; without it, as many as the "
          "rate has in its window." },
    { "tenants.*.quota.cpu", CL_KEY_TIME_RATE, QUOTA(cpu), RANGE(1, 1024 * HOURS),
      .doc = "Processor time in a second, minute or hour, of all calls together, charged when "
             "they end." },
    { "tenants.*.quota.memory", CL_KEY_BYTES, QUOTA(memory_bytes), RANGE(16 * MI, 65536 * GI),
      .doc = "Memory limits of running calls, added up; more of them wait." },
    { "tenants.*.quota.stored", CL_KEY_BYTES, QUOTA(stored_bytes), RANGE(MI, 65536 * GI),
      .doc = "Modules, calls, workflows and results that are kept." },
    { "tenants.*.quota.weight", CL_KEY_COUNT, QUOTA(weight), RANGE(1, 10000), .fallback = "100",
      .doc = "Share among the tenants that wait; 100 is ordinary." },
    { "tenants.*.functions_dir", CL_KEY_DIR,
      .doc =
          "Directory of the host whose `*.py` are served as the tenant's modules. It and its "
          "files must belong to root or the service." },
};

const struct cl_keys cl_tenanttable = { rows, CL_COUNT(rows) };

static const struct {
    const char *unit;
    uint64_t window_s;
} windows[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };

int cl_tenanttable_rate(const struct cl_key *key, const char *text, uint64_t *amount,
                        uint64_t *window_s)
{
    const char *slash = strchr(text, '/');
    char number[32];

    if (!slash || (size_t)(slash - text) >= sizeof(number))
        return -1;
    snprintf(number, sizeof(number), "%.*s", (int)(slash - text), text);
    if ((key->type == CL_KEY_RATE ? cl_text_parse_count : cl_text_parse_time)(number, amount) <
        0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(windows); i++) {
        if (strcmp(windows[i].unit, slash + 1) == 0) {
            *window_s = windows[i].window_s;
            return 0;
        }
    }
    return -1;
}

int cl_tenanttable_hash(enum cl_key_type type, const char *text, uint8_t hash[CL_TENANT_HASH])
{
    static const char digits[] = "0123456789abcdef";
    const char *kind = type == CL_KEY_HASH ? "b2:" : "sha256:";
    const size_t start = strlen(kind);

    if (strlen(text) != start + 2 * CL_TENANT_HASH || strncmp(text, kind, start) != 0)
        return -1;
    for (size_t i = 0; i < 2 * CL_TENANT_HASH; i++) {
        const char *digit = strchr(digits, text[start + i]);
        if (!digit)
            return -1;
        hash[i / 2] = (uint8_t)(hash[i / 2] << 4 | (digit - digits));
    }
    return 0;
}

static const char *const looks[] = {
    [CL_KEY_SECTION] = "a mapping",
    [CL_KEY_NAMED] = "a mapping of names to tenants",
    [CL_KEY_POLICIES] = "a list of 1 to 32 names of policies",
    [CL_KEY_ENTRIES] = "a list of up to 64 {id, hash or fingerprint, scopes}",
    [CL_KEY_NAME] = "a name of a-z 0-9 _ -, up to 63 bytes",
    [CL_KEY_HASH] = "b2: and 64 digits of 0-9 a-f, as 'cloche token create' prints it",
    [CL_KEY_PRINT] = "sha256: and 64 digits of 0-9 a-f",
    [CL_KEY_RATE] = "a rate such as 50/s, 600/m or 10000/h",
    [CL_KEY_TIME_RATE] = "a time in a window, such as 600s/m or 4h/h",
    [CL_KEY_DIR] = "an absolute path without '.' or '..' in it",
};

void cl_tenanttable_expects(const struct cl_key *key, char *text, size_t size)
{
    if (key->type == CL_KEY_LIST)
        snprintf(text, size, "a list out of: %s", key->words);
    else if (key->type < CL_COUNT(looks) && looks[key->type])
        snprintf(text, size, "%s", looks[key->type]);
    else
        cl_value_expects(key, text, size);
}
