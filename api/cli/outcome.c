/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes for people: one row per verdict.
 * Runs in: cloche.
 * Trusts: nothing; every text may be the caller's code's and is shown, not interpreted.
 */
#include "api/cli/outcome.h"

#include <inttypes.h>
#include <string.h>

#include "api/cli/service.h"
#include "sandbox/base/own.h"

static void show_member(struct cl_json object, const char *key, FILE *to)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(cl_json_member(object, key), &text);
    cl_json_show((const char *)text.bytes, text.length, to);
}

int cl_outcome_value(struct cl_json value)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (!value.text || cl_json_kind(value) == CL_JSON_NULL)
        return CL_EXIT_OK;
    if (cl_json_kind(value) == CL_JSON_STRING)
        cl_json_plain(value, &text);
    else if (cl_json_pretty(value, &text, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    cl_json_show((const char *)text.bytes, text.length, stdout);
    fputc('\n', stdout);
    return CL_EXIT_OK;
}

static void show_ok(struct cl_json envelope)
{
    (void)envelope;
}

/* A traceback ends with "Type: message"; without one, those two are the sentence. */
static void show_error(struct cl_json envelope)
{
    const struct cl_json error = cl_json_member(envelope, "error");
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    cl_json_plain(cl_json_member(error, "traceback"), &text);
    while (text.length > 0 && text.bytes[text.length - 1] == '\n')
        text.length--;
    if (text.length == 0) {
        cl_json_plain(cl_json_member(error, "type"), &text);
        cl_buf_put_text(&text, ": ", &err);
        cl_json_plain(cl_json_member(error, "message"), &text);
    }
    cl_json_show((const char *)text.bytes, text.length, stderr);
    fputc('\n', stderr);
}

static void show_denied(struct cl_json envelope)
{
    const struct cl_json denied = cl_json_member(envelope, "denied");
    const struct cl_json name = cl_json_member(denied, "name");

    fputs("cloche: denied by the policy's rule \"", stderr);
    show_member(denied, "rule", stderr);
    fputs("\"", stderr);
    if (name.text && cl_json_kind(name) == CL_JSON_STRING && name.length > 2) {
        fputs(" (", stderr);
        show_member(denied, "name", stderr);
        fputs(")", stderr);
    }
    fputs(": ", stderr);
    show_member(denied, "message", stderr);
    fputc('\n', stderr);
}

static void print_amount(uint64_t amount, struct cl_json unit, FILE *to)
{
    static const char *const sizes[] = { "bytes", "KiB", "MiB", "GiB" };
    size_t size = 0;

    if (cl_json_has_text(unit, "bytes")) {
        for (; size + 1 < CL_COUNT(sizes) && amount && amount % 1024 == 0; size++)
            amount /= 1024;
        fprintf(to, "%" PRIu64 " %s", amount, sizes[size]);
    } else if (cl_json_has_text(unit, "ms") && amount % 1000 == 0) {
        fprintf(to, "%" PRIu64 " s", amount / 1000);
    } else if (cl_json_has_text(unit, "ms")) {
        fprintf(to, "%" PRIu64 " ms", amount);
    } else {
        fprintf(to, "%" PRIu64, amount);
    }
}

static void show_limit(struct cl_json envelope)
{
    const struct cl_json limit = cl_json_member(envelope, "limit");
    const struct cl_json unit = cl_json_member(limit, "unit");
    const uint64_t used = cl_json_number(cl_json_member(limit, "used"));

    fputs("cloche: ended by the limit \"", stderr);
    show_member(limit, "name", stderr);
    fputs("\": ", stderr);
    print_amount(cl_json_number(cl_json_member(limit, "value")), unit, stderr);
    if (used) {
        fputs(", used ", stderr);
        print_amount(used, unit, stderr);
    }
    fputc('\n', stderr);
}

static void show_crashed(struct cl_json envelope)
{
    const struct cl_json crash = cl_json_member(envelope, "crash");
    const bool by_signal = cl_json_kind(cl_json_member(crash, "signal")) == CL_JSON_STRING;

    fprintf(stderr, "cloche: the worker died of %s ", by_signal ? "signal" : "exit status");
    show_member(crash, by_signal ? "signal" : "exit_status", stderr);
    fputc('\n', stderr);
}

static void show_cancelled(struct cl_json envelope)
{
    (void)envelope;
    fputs("cloche: the call was cancelled\n", stderr);
}

static void show_lost(struct cl_json envelope)
{
    fputs("cloche: the call was lost, it is safe to try again: ", stderr);
    show_member(envelope, "message", stderr);
    fputc('\n', stderr);
}

static const struct verdict {
    const char *name;
    int code; /* enum cl_exit */
    void (*show)(struct cl_json envelope);
} verdicts[] = {
    { "ok", CL_EXIT_OK, show_ok },
    { "error", CL_EXIT_FAILED, show_error },
    { "denied", CL_EXIT_DENIED, show_denied },
    { "limit", CL_EXIT_LIMIT, show_limit },
    { "crashed", CL_EXIT_LOST, show_crashed },
    { "cancelled", CL_EXIT_LOST, show_cancelled },
    { "lost", CL_EXIT_LOST, show_lost },
};

static const struct verdict *find(struct cl_json envelope)
{
    const struct cl_json name = cl_json_member(envelope, "verdict");

    for (size_t i = 0; i < CL_COUNT(verdicts); i++) {
        if (cl_json_has_text(name, verdicts[i].name))
            return &verdicts[i];
    }
    return NULL;
}

int cl_outcome_check(const char *verdict, struct cl_err *err)
{
    char known[128] = "";
    size_t used = 0;

    for (size_t i = 0; i < CL_COUNT(verdicts); i++) {
        if (strcmp(verdict, verdicts[i].name) == 0)
            return 0;
        used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", verdicts[i].name);
    }
    return cl_fail(err, CL_E_INPUT, "\"%.64s\" is none of:%s", verdict, known);
}

int cl_outcome_exit(struct cl_json envelope)
{
    const struct verdict *verdict = find(envelope);

    return verdict ? verdict->code : CL_EXIT_LOST;
}

static void show_cut(struct cl_json envelope, const char *stream)
{
    char key[32];

    snprintf(key, sizeof(key), "%s_truncated", stream);
    if (cl_json_kind(cl_json_member(envelope, key)) != CL_JSON_TRUE)
        return;
    snprintf(key, sizeof(key), "%s_bytes", stream);
    fprintf(stderr, "cloche: %s was cut in its middle, it had %" PRIu64 " bytes\n", stream,
            cl_json_number(cl_json_member(envelope, key)));
}

int cl_outcome_show(struct cl_json envelope, bool result_was_shown)
{
    const struct verdict *verdict = find(envelope);
    int code = CL_EXIT_OK;

    if (!verdict)
        return cl_verb_fail(CL_EXIT_LOST, "the service gave no verdict that this client knows");
    show_member(envelope, "stdout", stdout);
    fflush(stdout);
    show_member(envelope, "stderr", stderr);
    show_cut(envelope, "stdout");
    show_cut(envelope, "stderr");
    if (!result_was_shown)
        code = cl_outcome_value(cl_json_member(envelope, "result"));
    fflush(stdout);
    verdict->show(envelope);
    return code == CL_EXIT_OK ? verdict->code : code;
}
