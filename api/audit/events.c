/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composes the lines of the audit log from what the service knows; requests.c has those about requests.
 * Runs in: cloche-api.
 * Trusts: our own state. Texts of callers and workers are cut and escaped by line.c.
 */
#include "api/audit/events.h"

#include <sodium.h>
#include <string.h>

#include "api/visit.h"
#include "sandbox/base/own.h"
#include "sandbox/base/version.h"

/* -------------------------------------------------------------------------------------- calls */

/* The content of the first frame of this type; its text is NULL when there is none. */
static struct cl_json frame_of(const struct cl_request *request, enum cl_frame_type type)
{
    struct cl_reader reader = cl_reader_of(request->frames.bytes, request->frames.length);
    struct cl_frame head;

    while (reader.left >= sizeof(head)) {
        memcpy(&head, cl_reader_bytes(&reader, sizeof(head)), sizeof(head));
        const uint8_t *content = cl_reader_bytes(&reader, head.length);
        if (!content)
            break;
        if (head.type == type)
            return (struct cl_json){ (const char *)content, head.length };
    }
    return (struct cl_json){ NULL, 0 };
}

/* What ran: the name of a function, or the hash of a source. A source itself is in no log. */
static void put_code(struct cl_auditline *line, const struct cl_request *request,
                     uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *kind;
    } kinds[] = {
        { CL_CALL_INSPECT, "inspect" },
        { CL_CALL_EVAL, "eval" },
        { CL_CALL_V1, "rpc" },
        { CL_CALL_FUNCTION, "function" },
    };
    uint8_t hash[CL_AUDIT_HASH];
    char text[CL_AUDIT_HEAD];
    const char *kind = "source";
    struct cl_json source = frame_of(request, CL_F_SOURCE);

    for (size_t i = CL_COUNT(kinds); i-- > 0;) {
        if (flags & kinds[i].flag)
            kind = kinds[i].kind;
    }
    cl_auditline_word(line, "kind", kind);
    cl_auditline_word(line, "function", request->function);
    cl_auditline_word(line, "version", request->version);
    if (!source.text)
        return;
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)source.text, source.length, NULL,
                       0);
    sodium_bin2hex(text, sizeof(text), hash, sizeof(hash));
    cl_auditline_word(line, "source", text);
}

static void put_denied(struct cl_auditline *line, const struct cl_job *job,
                       const struct cl_verdict *verdict)
{
    struct cl_stream_texts texts;

    cl_auditline_object(line, "denied");
    if (verdict->is_syscall) {
        cl_auditline_word(line, "rule", "syscall"); /* killed, and nobody to say which */
    } else {
        texts = cl_stream_texts(&job->stream);
        cl_auditline_text(line, "rule", texts.text[0].text, texts.text[0].length,
                          CL_AUDIT_TEXT_MAX);
        cl_auditline_text(line, "name", texts.text[1].text, texts.text[1].length,
                          CL_AUDIT_TEXT_MAX);
    }
    cl_auditline_close(line);
}

static void put_error(struct cl_auditline *line, const struct cl_job *job,
                      const struct cl_verdict *verdict)
{
    struct cl_stream_texts texts;

    if (verdict->is_protocol) {
        cl_auditline_word(line, "error", "ProtocolError");
        return;
    }
    texts = cl_stream_texts(&job->stream);
    cl_auditline_text(line, "error", texts.text[0].text, texts.text[0].length,
                      CL_AUDIT_TEXT_MAX);
}

static void put_limit(struct cl_auditline *line, const struct cl_verdict *verdict)
{
    cl_auditline_object(line, "limit");
    cl_auditline_word(line, "name", cl_limit_name(verdict->limit));
    cl_auditline_number(line, "value", verdict->value);
    cl_auditline_number(line, "used", verdict->used);
    cl_auditline_close(line);
}

static void put_crash(struct cl_auditline *line, const struct cl_verdict *verdict)
{
    char room[16];

    if (verdict->signal)
        cl_auditline_word(line, "signal", cl_verdict_signal(verdict->signal, room));
    else
        cl_auditline_number(line, "exit_status", (uint64_t)(verdict->status & 0xff));
}

static void put_verdict(struct cl_auditline *line, const struct cl_job *job,
                        const struct cl_verdict *verdict)
{
    cl_auditline_word(line, "verdict", cl_verdict_name(verdict->kind));
    if (verdict->kind == CL_V_DENIED)
        put_denied(line, job, verdict);
    else if (verdict->kind == CL_V_ERROR)
        put_error(line, job, verdict);
    else if (verdict->kind == CL_V_LIMIT)
        put_limit(line, verdict);
    else if (verdict->kind == CL_V_CRASHED)
        put_crash(line, verdict);
}

static void put_usage(struct cl_auditline *line, const struct cl_job *job)
{
    cl_auditline_object(line, "usage");
    cl_auditline_number(line, "queue_us", job->taken_us ? job->taken_us - job->arrived_us : 0);
    cl_auditline_number(line, "wall_us", job->end.wall_us);
    cl_auditline_number(line, "cpu_us", job->end.cpu_us);
    cl_auditline_number(line, "memory_peak_bytes", job->end.memory_peak_bytes);
    cl_auditline_close(line);
}

/* What a worker did that no program of ours does: somebody should look at it. */
static const char *alarm_of(const struct cl_verdict *verdict)
{
    if (verdict->kind == CL_V_ERROR && verdict->is_protocol)
        return "forged_frame";
    if (verdict->kind == CL_V_DENIED && verdict->is_syscall)
        return "filter_kill";
    return "";
}

void cl_audit_call(struct cl_audit *audit, const struct cl_job *job,
                   const struct cl_verdict *verdict)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, "call"))
        return;
    cl_auditline_word(&line, "tenant", job->pool->tenant->name);
    cl_auditline_word(&line, "key", job->request.key);
    cl_auditline_word(&line, "peer", job->request.peer);
    cl_auditline_word(&line, "id", job->name);
    put_code(&line, &job->request, job->flags);
    cl_auditline_word(&line, "policy", job->policy);
    cl_auditline_number(&line, "generation", job->generation);
    if (job->session)
        cl_auditline_word(&line, "session", job->session->id);
    put_verdict(&line, job, verdict);
    put_usage(&line, job);
    cl_auditline_word(&line, "alarm", alarm_of(verdict));
    cl_auditline_word(&line, "trace", job->request.trace);
    cl_audit_put(audit, &line);
}

void cl_audit_unrun(struct cl_audit *audit, const struct cl_audit_unrun *call)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, "call"))
        return;
    cl_auditline_word(&line, "tenant", call->tenant);
    cl_auditline_word(&line, "key", call->key);
    cl_auditline_word(&line, "id", call->id);
    if (call->request)
        put_code(&line, call->request, call->flags);
    cl_auditline_word(&line, "policy", call->policy);
    cl_auditline_word(&line, "verdict", call->verdict);
    cl_auditline_word(&line, "refused", call->why);
    cl_auditline_word(&line, "trace", call->trace);
    cl_audit_put(audit, &line);
}

/* ------------------------------------------------------------------------------------ changes */

void cl_audit_change(struct cl_audit *audit, const struct cl_audit_change *change)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, change->event))
        return;
    cl_auditline_word(&line, "tenant", change->tenant);
    cl_auditline_word(&line, "key", change->key);
    cl_auditline_word(&line, "id", change->id);
    if (change->detail)
        cl_auditline_word(&line, change->detail_name, change->detail);
    cl_audit_put(audit, &line);
}

/* What became of a token since the log told of it last. */
static const char *fate_of(const struct cl_key *key)
{
    const struct cl_key_told *told = &key->told;

    if (!key->is_live)
        return told->is_live ? "token.gone" : NULL;
    if (!told->is_live)
        return "token.new";
    return told->since != key->since || told->scopes != key->scopes ? "token.changed" : NULL;
}

/* Those of the first generation are only noted: a start changes no token. */
static void tell_keys(const struct cl_app *app, const struct cl_tenant *tenant, bool is_first)
{
    for (struct cl_key *key = tenant->keys; key; key = key->next) {
        const char *fate = fate_of(key);
        char scopes[128];

        key->told = (struct cl_key_told){ key->is_live, key->since, key->scopes };
        if (!fate || is_first)
            continue;
        cl_keyring_put_scopes(key->scopes, scopes, sizeof(scopes));
        cl_audit_change(app->audit, &(struct cl_audit_change){ .event = fate,
                                                               .tenant = tenant->name,
                                                               .key = key->id,
                                                               .detail_name = "scopes",
                                                               .detail = scopes });
    }
}

static void tell_generation(const struct cl_app *app)
{
    struct cl_auditline line;
    uint32_t tenants = 0, tokens = 0;

    for (struct cl_tenant *tenant = cl_tenancy_each(app->tenancy, NULL); tenant;
         tenant = cl_tenancy_each(app->tenancy, tenant)) {
        tenants += tenant->is_live;
        for (const struct cl_key *key = tenant->keys; key; key = key->next)
            tokens += key->is_live;
    }
    if (!cl_audit_begin(app->audit, &line, "config.loaded"))
        return;
    cl_auditline_number(&line, "generation", cl_tenancy_generation(app->tenancy));
    cl_auditline_number(&line, "tenants", tenants);
    cl_auditline_number(&line, "tokens", tokens);
    cl_audit_put(app->audit, &line);
}

void cl_audit_loaded(const struct cl_app *app, bool is_first)
{
    if (!cl_audit_is_on(app->audit))
        return;
    tell_generation(app);
    for (struct cl_tenant *tenant = cl_tenancy_each(app->tenancy, NULL); tenant;
         tenant = cl_tenancy_each(app->tenancy, tenant))
        tell_keys(app, tenant, is_first);
}

void cl_audit_problem(struct cl_audit *audit, const struct cl_msg_problem *problem)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, "config.refused"))
        return;
    cl_auditline_number(&line, "generation", problem->generation);
    cl_auditline_number(&line, "problems", problem->count);
    cl_auditline_text(&line, "message", problem->text, strlen(problem->text),
                      CL_AUDIT_TEXT_MAX);
    cl_audit_put(audit, &line);
}

/* There is an API only when the self-test has found nothing: cloched sees to that. */
void cl_audit_start(struct cl_audit *audit)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, "service.start"))
        return;
    cl_auditline_word(&line, "version", CL_VERSION);
    cl_auditline_word(&line, "self_test", "passed");
    cl_audit_put(audit, &line);
}

void cl_audit_stop(struct cl_audit *audit)
{
    struct cl_auditline line;

    if (cl_audit_begin(audit, &line, "service.stop"))
        cl_audit_put(audit, &line);
}
