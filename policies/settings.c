/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of cloche.yaml, and its walk into a flat file.
 * Runs in: cloche-policyc.
 * Trusts: load.c for shape and UTF-8; nothing of the values.
 */
#include "policies/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/load.h"
#include "policies/text.h"
#include "policies/value.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

#define MI              (1ull << 20)
#define GI              (1ull << 30)
#define HOURS           (3600 * 1000ull)
#define RANGE(from, to) .least = (from), .most = (to)

enum { EXPECTED_SIZE = 240, PORT_MAX = 65535, JAILS_MAX = 4096 };

static const uint64_t keep_most = 1000000000000;

static const struct cl_key rows[] = {
    { "version", CL_KEY_COUNT, RANGE(1, 1), .doc = "Format of this file. Must be there." },
    { "listen", CL_KEY_ADDRESS, .fallback = "127.0.0.1:8420",
      .doc = "Where callers connect. Any address but this machine's own (127.0.0.0/8, [::1]) "
             "needs `tls`." },
    { "plain_text_beyond_loopback", CL_KEY_BOOL, .fallback = "false",
      .doc =
          "Listens on other addresses without TLS. Tokens, code and results are then there to "
          "read and to change for whoever is on the way." },
    { "tls", CL_KEY_SECTION, .doc = "With it, callers speak HTTPS and nothing else." },
    { "tls.certificate", CL_KEY_DIR,
      .doc = "PEM file: the service's certificate, then those that lead to its authority. Must "
             "be there. May be renewed while the service runs." },
    { "tls.key", CL_KEY_DIR,
      .doc = "PEM file of its private key, without a password, readable by root alone. Must be "
             "there." },
    { "tls.client_ca", CL_KEY_DIR,
      .doc =
          "PEM file of authorities. With it, callers may show a certificate of theirs instead "
          "of a token; `certificates` of a tenant says whose it is." },
    { "drain", CL_KEY_TIME, RANGE(0, 24 * HOURS), .fallback = "30s",
      .doc = "What running calls get after SIGTERM." },
    { "log", CL_KEY_WORD,
      .words = "error warn info debug error,json warn,json info,json debug,json",
      .fallback = "info", .doc = "What is logged, as text or as JSON." },
    { "audit", CL_KEY_WORD, .words = "on required off", .fallback = "on",
      .doc = "The audit log; `required`: no new work while it can't be written." },
    { "jails", CL_KEY_COUNT, RANGE(1, JAILS_MAX),
      .doc =
          "Jails at once, of all tenants; without it, what memory and descriptors allow. Each "
          "policy has its own `pool.min` and `pool.max`." },
    { "queue_wait", CL_KEY_TIME, RANGE(1, HOURS), .fallback = "10s",
      .doc = "What a call waits for a jail; then it is refused (503)." },
    { "buffers", CL_KEY_BYTES, RANGE(MI, 65536 * GI), .fallback = "256Mi",
      .doc = "Memory for bodies and answers of all requests." },
    { "keep", CL_KEY_KEEP, .fallback = "168h,100000",
      .doc = "How long, and how many, ended calls are kept." },
    { "store", CL_KEY_STORE, .fallback = "16Gi,4Gi",
      .doc = "What may be stored, in all and of one tenant." },
};

const struct cl_keys cl_settings_table = { rows, CL_COUNT(rows) };

/* ----------------------------------------------------------------------------------- values */

/* 127.0.0.1:8420 or [::1]:8420 */
static bool is_address(const char *text)
{
    char plain[INET6_ADDRSTRLEN] = "", bytes[16];
    const bool is_v6 = text[0] == '[';
    const char *end = is_v6 ? strstr(text, "]:") : strchr(text, ':');
    const size_t length = end ? (size_t)(end - text) - is_v6 : 0;
    uint64_t port = 0;

    if (!end || length >= sizeof(plain))
        return false;
    memcpy(plain, text + is_v6, length);
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, plain, bytes) == 1 &&
           cl_text_parse_count(end + 1 + is_v6, &port) == 0 && port <= PORT_MAX;
}

/* Two values with a comma between. */
static bool is_pair(const char *text, int (*first)(const char *, uint64_t *),
                    int (*second)(const char *, uint64_t *), uint64_t least, uint64_t most)
{
    const char *comma = strchr(text, ',');
    char one[32];
    uint64_t values[2];

    if (!comma || (size_t)(comma - text) >= sizeof(one))
        return false;
    snprintf(one, sizeof(one), "%.*s", (int)(comma - text), text);
    return first(one, &values[0]) == 0 && second(comma + 1, &values[1]) == 0 &&
           values[0] >= least && values[1] >= least && values[0] <= most && values[1] <= most;
}

/* Absolute, no "." or ".." part, no empty one, one line. */
static bool is_path(const char *text)
{
    if (text[0] != '/' || text[1] == '\0' || strlen(text) >= CL_SETTINGS_TEXT_MAX ||
        strpbrk(text, "\r\n\t"))
        return false;
    for (const char *at = text; at; at = strchr(at, '/')) {
        const size_t part = strcspn(++at, "/");
        if (part == 0 || (part <= 2 && strspn(at, ".") == part))
            return false;
    }
    return true;
}

static bool is_number(const struct cl_key *key, const char *text)
{
    uint64_t value = 0;

    if (cl_value_parse(key, text, &value) < 0)
        return false;
    return key->most == 0 || (value >= key->least && value <= key->most);
}

static bool is_good(const struct cl_key *key, const struct cl_node *node)
{
    if (node->kind != CL_NODE_SCALAR || strlen(node->text) >= CL_SETTINGS_TEXT_MAX)
        return false;
    switch (key->type) {
    case CL_KEY_SECTION:
        return false; /* a mapping it would be */
    case CL_KEY_ADDRESS:
        return is_address(node->text);
    case CL_KEY_KEEP:
        return is_pair(node->text, cl_text_parse_time, cl_text_parse_count, 0, keep_most);
    case CL_KEY_STORE:
        return is_pair(node->text, cl_text_parse_bytes, cl_text_parse_bytes, MI, INT64_MAX);
    case CL_KEY_DIR:
        return is_path(node->text);
    default:
        return is_number(key, node->text);
    }
}

void cl_settings_expects(const struct cl_key *key, char *text, size_t size)
{
    static const char *const looks[] = {
        [CL_KEY_SECTION] = "a mapping",
        [CL_KEY_DIR] = "an absolute path without '.' or '..' in it",
        [CL_KEY_ADDRESS] = "an address such as 127.0.0.1:8420 or [::1]:8420",
        [CL_KEY_KEEP] = "a time and a number of calls, such as 168h,100000",
        [CL_KEY_STORE] = "two sizes of at least 1Mi, such as 16Gi,4Gi",
    };

    if (key->type < CL_COUNT(looks) && looks[key->type])
        snprintf(text, size, "%s", looks[key->type]);
    else
        cl_value_expects(key, text, size);
}

/* --------------------------------------------------------------------------------- the walk */

static void put(struct cl_settings *settings, const struct cl_key *key, const char *text)
{
    struct cl_setting *to = &settings->file.settings[settings->file.count++];

    CL_CHECK(settings->file.count <= CL_SETTINGS_MAX);
    snprintf(to->key, sizeof(to->key), "%s", key->path);
    snprintf(to->text, sizeof(to->text), "%s", text);
}

static void take(struct cl_settings *settings, const struct cl_key *key,
                 const struct cl_node *node, struct cl_report *report)
{
    char found[80], expected[EXPECTED_SIZE];

    if (is_good(key, node)) {
        put(settings, key, node->text);
        return;
    }
    cl_settings_expects(key, expected, sizeof(expected));
    cl_report_add(report, node->place, "%s: found %s, expected %s", key->path,
                  cl_node_found(node, found, sizeof(found)), expected);
}

static void walk(struct cl_settings *settings, const char *section, const struct cl_node *map,
                 struct cl_report *report)
{
    char path[CL_SETTINGS_KEY_MAX];

    for (const struct cl_node *value = map->first; value; value = value->next) {
        const char *word = value->key->text;
        if (cl_node_find(map, word) != value)
            continue; /* a second one: that is reported */
        const int length =
            snprintf(path, sizeof(path), "%s%s%s", section, *section ? "." : "", word);
        const struct cl_key *key = cl_keys_find(&cl_settings_table, path);
        if (!key || (size_t)length >= sizeof(path) || strchr(word, '.'))
            cl_keys_unknown(&cl_settings_table, section, section, value->key, report);
        else if (key->type == CL_KEY_SECTION && value->kind == CL_NODE_MAP)
            walk(settings, key->path, value, report);
        else
            take(settings, key, value, report);
    }
}

static void check_whole(const struct cl_settings *settings, struct cl_report *report)
{
    static const char *const pair[] = { "certificate", "key" };
    const struct cl_node *root = settings->doc->root, *tls = cl_node_find(root, "tls");
    const struct cl_node *plain = cl_node_find(root, "plain_text_beyond_loopback");

    if (!cl_node_find(root, "version"))
        cl_report_add(report, (struct cl_place){ settings->doc, 0, 0, 0 },
                      "the key 'version' is missing; expected 'version: 1'");
    for (size_t i = 0; tls && tls->kind == CL_NODE_MAP && i < CL_COUNT(pair); i++) {
        if (!cl_node_find(tls, pair[i]))
            cl_report_add(report, tls->place, "the key 'tls.%s' is missing", pair[i]);
    }
    if (tls && plain && plain->kind == CL_NODE_SCALAR && strcmp(plain->text, "true") == 0)
        cl_report_add(report, plain->place,
                      "plain_text_beyond_loopback: there is 'tls', so nothing is plain text");
}

struct cl_settings *cl_settings_read(const char *path, const char *text, size_t length,
                                     struct cl_report *report)
{
    struct cl_settings *settings = calloc(1, sizeof(*settings));
    const size_t errors = report->errors;

    CL_CHECK(settings);
    settings->file.magic = CL_SETTINGS_MAGIC;
    settings->file.version = CL_SETTINGS_VERSION;
    settings->file.size = sizeof(settings->file);
    settings->doc = cl_load_settings(path, text, length, report);
    if (settings->doc->root) {
        walk(settings, "", settings->doc->root, report);
        check_whole(settings, report);
    }
    settings->is_refused = report->errors > errors;
    return settings;
}

void cl_settings_free(struct cl_settings *settings)
{
    if (!settings)
        return;
    cl_doc_free(settings->doc);
    free(settings);
}

bool cl_settings_is(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash ? slash + 1 : path, "cloche.yaml") == 0;
}
