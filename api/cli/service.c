/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the service, by libcurl.
 * Runs in: cloche.
 * Trusts: the user's url and token; bounds what comes back.
 */
#include "api/cli/service.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/json.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

#define WANTS_TOKEN "set CLOCHE_TOKEN or give --token-file"

enum { CONNECT_MS = 5000, LINE_MOST = 160 };

struct transfer {
    CURL *curl; /* borrowed */
    const struct cl_sink *sink;
    struct cl_answer *answer;
    struct cl_err *err;
};

static int read_token(struct cl_service *service, const char *file, struct cl_err *err)
{
    ssize_t length = cl_file_get(AT_FDCWD, file, service->token, sizeof(service->token), err);

    if (length < 0)
        return -1;
    service->token[strcspn(service->token, " \t\r\n")] = '\0';
    if (!service->token[0])
        return cl_fail(err, CL_E_INPUT, "%s holds no token", file);
    return 0;
}

/* NULL: the environment names none. */
static const char *file_of(const char *name)
{
    const char *file = getenv(name);

    return file && *file ? file : NULL;
}

static int find_token(struct cl_service *service, const struct cl_args *args,
                      struct cl_err *err)
{
    const char *given = getenv("CLOCHE_TOKEN");

    if (args->token_file)
        return read_token(service, args->token_file, err);
    if (given && *given) {
        if (strlen(given) >= sizeof(service->token))
            return cl_fail(err, CL_E_INPUT, "CLOCHE_TOKEN is too long for a token");
        strcpy(service->token, given);
        return 0;
    }
    if (file_of("CLOCHE_CERT"))
        return 0; /* a certificate stands for a token */
    if (read_token(service, CL_SERVICE_STATE "/local.token", err) < 0)
        return cl_err_context(err, "no token: " WANTS_TOKEN);
    return 0;
}

static int find_base(struct cl_service *service, const struct cl_args *args, struct cl_err *err)
{
    const char *base = args->url ? args->url : getenv("CLOCHE_URL");

    service->base = base && *base ? base : CL_SERVICE_URL;
    if (strncmp(service->base, "http://", 7) == 0 || strncmp(service->base, "https://", 8) == 0)
        return 0;
    return cl_fail(err, CL_E_INPUT, "the url must begin with http:// or https://, not \"%s\"",
                   service->base);
}

int cl_service_open(struct cl_service *service, const struct cl_args *args, struct cl_err *err)
{
    if (find_base(service, args, err) < 0 || find_token(service, args, err) < 0)
        return -1;
    if (strpbrk(service->token, "\r\n\t "))
        return cl_fail(err, CL_E_INPUT, "the token holds white space");
    service->curl = curl_easy_init();
    CL_CHECK(service->curl);
    return 0;
}

void cl_service_close(struct cl_service *service)
{
    curl_easy_cleanup(service->curl);
    explicit_bzero(service->token, sizeof(service->token));
    *service = (struct cl_service)CL_SERVICE_INIT;
}

void cl_answer_fini(struct cl_answer *answer)
{
    cl_buf_fini(&answer->body);
}

static size_t on_bytes(char *bytes, size_t one, size_t count, void *user)
{
    struct transfer *transfer = user;
    const size_t length = one * count;
    int done;

    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &transfer->answer->status);
    if (transfer->sink && transfer->answer->status < 400)
        done = transfer->sink->take(transfer->sink->user, bytes, length, transfer->err);
    else
        done = cl_buf_put(&transfer->answer->body, bytes, length, transfer->err);
    return done < 0 ? CURL_WRITEFUNC_ERROR : length;
}

static void free_list(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static int put_field(struct curl_slist **list, struct cl_err *err, const char *name,
                     const char *value)
{
    char line[640];
    struct curl_slist *grown;

    if ((size_t)snprintf(line, sizeof(line), "%s: %s", name, value) >= sizeof(line))
        return cl_fail(err, CL_E_INPUT, "the field %s is too long", name);
    grown = curl_slist_append(*list, line);
    explicit_bzero(line, sizeof(line));
    CL_CHECK(grown);
    *list = grown;
    return 0;
}

static int put_fields(const struct cl_service *service, const struct cl_sending *sending,
                      bool is_streamed, struct curl_slist **list, struct cl_err *err)
{
    char bearer[sizeof(service->token) + 8];
    bool accepts = false;

    for (size_t i = 0; i < CL_COUNT(sending->fields) && sending->fields[i].name; i++) {
        if (put_field(list, err, sending->fields[i].name, sending->fields[i].value) < 0)
            return -1;
        accepts = accepts || strcmp(sending->fields[i].name, "Accept") == 0;
    }
    snprintf(bearer, sizeof(bearer), "Bearer %s", service->token);
    if ((service->token[0] && put_field(list, err, "Authorization", bearer) < 0) ||
        (sending->body && put_field(list, err, "Content-Type",
                                    sending->type ? sending->type : "application/json") < 0) ||
        (!accepts && put_field(list, err, "Accept",
                               is_streamed ? "application/x-ndjson" : "application/json") < 0))
        return -1;
    return put_field(list, err, "Expect", ""); /* a body over 1 MB needs no extra round trip */
}

/* A proxy of the environment must not get the token of a service on this machine. */
static bool is_local(const char *base)
{
    static const char *const hosts[] = { "127.", "localhost", "[::1]" };
    const char *host = strstr(base, "://") + 3;

    for (size_t i = 0; i < CL_COUNT(hosts); i++) {
        if (strncmp(host, hosts[i], strlen(hosts[i])) == 0)
            return true;
    }
    return false;
}

/* Whom to trust in the place of the machine's authorities, and what to show. */
static void set_tls(CURL *curl)
{
    static const struct {
        const char *name;
        CURLoption option;
    } files[] = {
        { "CLOCHE_CA", CURLOPT_CAINFO },
        { "CLOCHE_CERT", CURLOPT_SSLCERT },
        { "CLOCHE_KEY", CURLOPT_SSLKEY },
    };

    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    for (size_t i = 0; i < CL_COUNT(files); i++) {
        if (file_of(files[i].name))
            curl_easy_setopt(curl, files[i].option, file_of(files[i].name));
    }
}

static void set_options(CURL *curl, const char *url, const struct cl_sending *sending,
                        struct curl_slist *fields, struct transfer *transfer)
{
    const struct cl_buf *body = sending->body;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->length);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                         body->bytes ? (const char *)body->bytes : "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, sending->method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    set_tls(curl);
}

static bool is_plain_text(CURL *curl)
{
    static const char plain[] = "text/plain";
    const char *type = NULL;

    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    return type && strncasecmp(type, plain, sizeof(plain) - 1) == 0 &&
           strchr("; \t", type[sizeof(plain) - 1]); /* or its end */
}

static void on_complete(CURL *curl, struct cl_answer *answer)
{
    curl_off_t connected_us = 0;
    curl_off_t done_us = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->is_text = is_plain_text(curl);
    curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected_us);
    curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &done_us);
    answer->took_us = (uint64_t)(done_us - connected_us);
}

int cl_service_escape(struct cl_buf *out, const char *text, struct cl_err *err)
{
    for (; *text; text++) {
        const bool is_plain = strchr("-._~", *text) || (*text >= '0' && *text <= '9') ||
                              ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z');

        if ((is_plain ? cl_buf_format(out, err, "%c", *text)
                      : cl_buf_format(out, err, "%%%02X", (unsigned char)*text)) < 0)
            return -1;
    }
    return 0;
}

int cl_service_post(struct cl_service *service, const char *path, const struct cl_buf *body,
                    const struct cl_sink *sink, struct cl_answer *answer, struct cl_err *err)
{
    const struct cl_sending sending = { .method = "POST", .path = path, .body = body };

    return cl_service_send(service, &sending, sink, answer, err);
}

int cl_service_send(struct cl_service *service, const struct cl_sending *sending,
                    const struct cl_sink *sink, struct cl_answer *answer, struct cl_err *err)
{
    struct transfer transfer = { service->curl, sink, answer, err };
    struct curl_slist *fields CL_AUTO(free_list) = NULL;
    char why[CURL_ERROR_SIZE] = "";
    char url[2048];
    size_t length = strlen(service->base);
    CURLcode code;

    while (length > 0 && service->base[length - 1] == '/')
        length--;
    if ((size_t)snprintf(url, sizeof(url), "%.*s%s", (int)length, service->base,
                         sending->path) >= sizeof(url))
        return cl_fail(err, CL_E_INPUT, "the url is too long");
    if (put_fields(service, sending, sink != NULL, &fields, err) < 0)
        return -1;
    set_options(service->curl, url, sending, fields, &transfer);
    curl_easy_setopt(service->curl, CURLOPT_ERRORBUFFER, why);
    if (is_local(service->base))
        curl_easy_setopt(service->curl, CURLOPT_PROXY, "");
    err->kind = CL_E_NONE;
    code = curl_easy_perform(service->curl);
    curl_easy_setopt(service->curl, CURLOPT_ERRORBUFFER, NULL); /* `why` dies here */
    if (code == CURLE_OK) {
        on_complete(service->curl, answer);
        return 0;
    }
    if (err->kind != CL_E_NONE)
        return -1;
    return cl_fail(err, CL_E_LOST, "%s: %s", service->base,
                   *why ? why : curl_easy_strerror(code));
}

static int problem_exit(long status)
{
    static const struct {
        long from, to;
        int code; /* enum cl_exit */
    } rows[] = {
        { 403, 403, CL_EXIT_DENIED },
        { 429, 429, CL_EXIT_UNREACHABLE },
        { 502, 504, CL_EXIT_UNREACHABLE },
        { 500, 599, CL_EXIT_LOST },
    };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (status >= rows[i].from && status <= rows[i].to)
            return rows[i].code;
    }
    return CL_EXIT_USAGE;
}

/* Names that may have been meant. */
static void put_similar(struct cl_json names, struct cl_buf *text)
{
    struct cl_json key, name;
    struct cl_err err = CL_ERR_INIT;
    size_t cursor = 0;
    size_t count = 0;

    while (cl_json_kind(names) == CL_JSON_ARRAY && cl_json_next(names, &cursor, &key, &name)) {
        cl_buf_put_text(text, count++ ? " or " : "; did you mean ", &err);
        cl_json_plain(name, text);
    }
}

/* Said before the service was asked, or by another one: a plain text's first line may tell why. */
static int fail_plain(const struct cl_answer *answer)
{
    char line[LINE_MOST + 1];
    size_t length = 0;

    while (answer->is_text && length < LINE_MOST && length < answer->body.length &&
           !strchr("\r\n", answer->body.bytes[length])) {
        const unsigned char byte = answer->body.bytes[length];

        line[length++] = byte >= 0x20 && byte <= 0x7e ? (char)byte : '?';
    }
    return cl_verb_fail(problem_exit(answer->status), "the service answered %ld%s%.*s",
                        answer->status, length ? ": " : "", (int)length, line);
}

int cl_service_problem(const struct cl_answer *answer)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(1 << 16);
    struct cl_json root;
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_root(&answer->body, &root, &err) < 0)
        return fail_plain(answer);
    cl_json_plain(cl_json_member(root, "title"), &text);
    if (cl_json_kind(cl_json_member(root, "pointer")) == CL_JSON_STRING) {
        cl_buf_format(&text, &err, " at ");
        cl_json_plain(cl_json_member(root, "pointer"), &text);
    }
    if (cl_json_kind(cl_json_member(root, "detail")) == CL_JSON_STRING) {
        cl_buf_format(&text, &err, ": ");
        cl_json_plain(cl_json_member(root, "detail"), &text);
    }
    put_similar(cl_json_member(root, "similar"), &text);
    return cl_verb_fail(problem_exit(answer->status), "%.*s (%ld)%s", (int)text.length,
                        (const char *)text.bytes, answer->status,
                        answer->status == 401 ? "; " WANTS_TOKEN : "");
}
