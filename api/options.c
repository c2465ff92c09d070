/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of cloche-api, and how many connections its descriptors are enough for.
 * Runs in: cloche-api, before anything else.
 * Trusts: cloched, which starts it; a person who does so by hand may still be wrong.
 */
#include "api/options.h"

#include <stdlib.h>
#include <string.h>

#include "api/quantity.h"
#include "sandbox/base/own.h"

enum {
    SPARES_MAX = 1 << 20,
    BUFFERS_LEAST = 1 << 20,
    STORE_LEAST = 1 << 20,
    QUEUE_MS_MOST = 3600 * 1000,
    /* Standard streams, control, listener, loop, signals, reserve, and what comes with messages. */
    DESCRIPTORS_OWN = 64,
    /* Its socket, and that of its jail: a new one may be offered while the client still reads what
     * the old one wrote. */
    DESCRIPTORS_EACH = 2,
    CONNECTIONS_LEAST = 16,
    ADDRESS_LEAST = 8,
};

/* Of times in milliseconds and of calls: thirty years, and more than a disk holds. */
static const uint64_t keep_most = 1000000000000;

const struct cl_options cl_options_default = {
    .log = CL_INFO,
    .buffer_bytes = 256 << 20,
    .spares = 256,
};

static int set_log(struct cl_options *options, const char *value, struct cl_err *err)
{
    const int level = cl_log_level_parse(value);

    if (level < 0)
        return cl_fail(err, CL_E_INPUT, "--log %s: error, warn, info or debug, or as info,json",
                       value);
    options->log = (enum cl_log_level)level;
    return 0;
}

static int set_queue_wait(struct cl_options *options, const char *value, struct cl_err *err)
{
    uint64_t ms = 0;

    if (cl_quantity_ms(value, strlen(value), &ms, err) < 0)
        return cl_err_context(err, "--queue-wait %s", value);
    if (ms < 1 || ms > QUEUE_MS_MOST)
        return cl_fail(err, CL_E_INPUT, "--queue-wait %s: from 1ms to 1h", value);
    options->queue_ms = (uint32_t)ms;
    return 0;
}

static int set_buffers(struct cl_options *options, const char *value, struct cl_err *err)
{
    if (cl_quantity_bytes(value, strlen(value), &options->buffer_bytes, err) < 0)
        return cl_err_context(err, "--buffers %s", value);
    if (options->buffer_bytes < BUFFERS_LEAST)
        return cl_fail(err, CL_E_INPUT, "--buffers %s: at least 1Mi", value);
    return 0;
}

static int set_spares(struct cl_options *options, const char *value, struct cl_err *err)
{
    char *end;
    const unsigned long number = strtoul(value, &end, 10);

    if (strspn(value, "0123456789") == 0 || *end || number < 1 || number > SPARES_MAX)
        return cl_fail(err, CL_E_INPUT, "--spares %s: a number from 1 to %d", value,
                       SPARES_MAX);
    options->spares = (uint32_t)number;
    return 0;
}

/* "168h,100000" */
static int set_keep(struct cl_options *options, const char *value, struct cl_err *err)
{
    const char *comma = strchr(value, ',');
    struct cl_store_caps *caps = &options->store;
    uint64_t ms = 0;
    char *end = NULL;

    if (!comma || strspn(comma + 1, "0123456789") == 0)
        return cl_fail(err, CL_E_INPUT, "--keep %s: a time and a number of calls, as 168h,1000",
                       value);
    if (cl_quantity_ms(value, (size_t)(comma - value), &ms, err) < 0)
        return cl_err_context(err, "--keep %s", value);
    caps->keep_calls = strtoull(comma + 1, &end, 10);
    if (*end || caps->keep_calls > keep_most || ms > keep_most)
        return cl_fail(err, CL_E_INPUT, "--keep %s: that is too much", value);
    caps->keep_us = ms * 1000;
    return 0;
}

/* "16Gi,4Gi" */
static int set_store(struct cl_options *options, const char *value, struct cl_err *err)
{
    const char *comma = strchr(value, ',');
    struct cl_store_caps *caps = &options->store;

    if (!comma)
        return cl_fail(err, CL_E_INPUT,
                       "--store %s: a size in all and of one tenant, as 1Gi,64Mi", value);
    if (cl_quantity_bytes(value, (size_t)(comma - value), &caps->bytes, err) < 0 ||
        cl_quantity_bytes(comma + 1, strlen(comma + 1), &caps->tenant_bytes, err) < 0)
        return cl_err_context(err, "--store %s", value);
    if (caps->bytes < STORE_LEAST || caps->tenant_bytes < STORE_LEAST)
        return cl_fail(err, CL_E_INPUT, "--store %s: at least 1Mi each", value);
    return 0;
}

static int set_tls(struct cl_options *options, const char *value, struct cl_err *err)
{
    options->tls = strcmp(value, "on") == 0;
    if (!options->tls && strcmp(value, "off") != 0)
        return cl_fail(err, CL_E_INPUT, "--tls %s: on or off", value);
    return 0;
}

static const struct {
    const char *name;
    int (*set)(struct cl_options *options, const char *value, struct cl_err *err);
} known[] = {
    { "--log", set_log },       { "--buffers", set_buffers },
    { "--spares", set_spares }, { "--queue-wait", set_queue_wait },
    { "--keep", set_keep },     { "--store", set_store },
    { "--tls", set_tls },
};

static int set(struct cl_options *options, const char *name, const char *value,
               struct cl_err *err)
{
    for (size_t i = 0; i < CL_COUNT(known); i++) {
        if (strcmp(known[i].name, name) == 0)
            return value ? known[i].set(options, value, err)
                         : cl_fail(err, CL_E_INPUT, "%s wants a value", name);
    }
    return cl_fail(err, CL_E_INPUT, "there is no option %s", name);
}

int cl_options_parse(struct cl_options *options, int count, char **args, struct cl_err *err)
{
    *options = cl_options_default;
    options->store = cl_store_caps_default;
    for (int i = 1; i < count; i += 2) {
        if (set(options, args[i], args[i + 1], err) < 0) /* args[count] is NULL */
            return -1;
    }
    return 0;
}

int cl_options_caps(const struct cl_options *options, uint64_t descriptors,
                    struct cl_http_caps *caps, struct cl_err *err)
{
    const uint64_t others = DESCRIPTORS_OWN + (uint64_t)options->spares;
    const uint64_t room = descriptors > others ? (descriptors - others) / DESCRIPTORS_EACH : 0;

    if (room < CONNECTIONS_LEAST)
        return cl_fail(err, CL_E_LIMIT,
                       "%llu descriptors are too few for %u jails: %llu are needed at least",
                       (unsigned long long)descriptors, options->spares,
                       (unsigned long long)others + CONNECTIONS_LEAST * DESCRIPTORS_EACH);
    caps->memory_bytes = options->buffer_bytes;
    if (room < caps->connections)
        caps->connections = (uint32_t)room;
    caps->connections_local = caps->connections - caps->connections / 4;
    caps->connections_per_address = caps->connections / 16;
    if (caps->connections_per_address < ADDRESS_LEAST)
        caps->connections_per_address = ADDRESS_LEAST;
    return 0;
}
