/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load client's command line and its report, one JSON object on stdout.
 *   load [-c CLIENTS] [-g GAP_MS] [-t SECONDS] [-w WARM_SECONDS] http|exec ARGUMENT...
 * Runs in: the bench, outside the service.
 * Trusts: its command line.
 */
#include "tests/bench/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"

static int fail(const struct cl_err *err)
{
    fprintf(stderr, "load: %s\n", err->text);
    return 1;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank: the smallest sample that at least `permille` of all do not exceed. */
static double rank_us(const struct cl_load *load, size_t permille)
{
    size_t rank;

    if (load->sample_count == 0)
        return 0;
    rank = (load->sample_count * permille + 999) / 1000;
    return (double)load->samples[rank ? rank - 1 : 0] / 1e3;
}

static void report(struct cl_load *load)
{
    const double seconds = (double)load->counted_ns / 1e9;
    const double child_us =
        load->ended ? (double)cl_load_children_us() / (double)load->ended : 0;
    double sum = 0;

    if (load->sample_count > 0)
        qsort(load->samples, load->sample_count, sizeof(*load->samples), by_size);
    for (size_t i = 0; i < load->sample_count; i++)
        sum += (double)load->samples[i] / 1e3;
    printf("{\"clients\":%zu,\"gap_ms\":%.3f,\"calls\":%zu,\"errors\":%" PRIu64
           ",\"seconds\":%.3f,\"rate\":%.1f,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p95_us\":%.1f,"
           "\"p99_us\":%.1f,\"max_us\":%.1f,\"child_cpu_us\":%.1f}\n",
           load->clients, (double)load->gap_ns / 1e6, load->sample_count, load->errors, seconds,
           (double)load->sample_count / seconds,
           load->sample_count ? sum / (double)load->sample_count : 0, rank_us(load, 500),
           rank_us(load, 950), rank_us(load, 990), rank_us(load, 1000), child_us);
}

static int parse(struct cl_load *load, int argc, char **argv, struct cl_err *err)
{
    const struct cl_load_driver *const drivers[] = { &cl_load_http, &cl_load_exec };
    int letter;

    while ((letter = getopt(argc, argv, "+c:g:t:w:")) != -1) {
        const double value = optarg ? atof(optarg) : 0;

        switch (letter) {
        case 'c':
            load->clients = (size_t)value;
            break;
        case 'g':
            load->gap_ns = (uint64_t)(value * 1e6);
            break;
        case 't':
            load->length_ns = (uint64_t)(value * 1e9);
            break;
        case 'w':
            load->warm_ns = (uint64_t)(value * 1e9);
            break;
        default:
            return cl_fail(err, CL_E_INPUT, "see the head of load.c");
        }
    }
    if (load->clients < 1 || load->clients > CL_LOAD_CLIENTS_MAX || load->length_ns == 0)
        return cl_fail(err, CL_E_INPUT, "1 to %d clients, for more than 0 seconds",
                       CL_LOAD_CLIENTS_MAX);
    for (size_t i = 0; optind < argc && i < CL_COUNT(drivers); i++) {
        if (strcmp(argv[optind], drivers[i]->name) != 0)
            continue;
        load->driver = drivers[i];
        return drivers[i]->init(load, argc - optind - 1, argv + optind + 1, err);
    }
    return cl_fail(err, CL_E_INPUT, "http or exec?");
}

int main(int argc, char **argv)
{
    static struct cl_load load = { .clients = 1,
                                   .length_ns = 2000000000,
                                   .warm_ns = 200000000,
                                   .request = CL_BUF_INIT(1 << 16) };
    struct cl_err err = CL_ERR_INIT;
    int result;

    if (parse(&load, argc, argv, &err) < 0)
        return fail(&err);
    result = cl_load_run(&load, &err);
    if (result == 0)
        report(&load);
    cl_load_fini(&load);
    return result < 0 ? fail(&err) : 0;
}
