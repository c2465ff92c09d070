/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche token`: makes tokens and keeps their hashes in a tenants.yaml. The file is read and
 * written by cloche-policyc, which knows its format; a token itself is in no file and on no
 * command line.
 * Runs in: cloche.
 * Trusts: the user, and the cloche-policyc that was installed with this program.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/install.h"
#include "api/cli/options.h"
#include "policies/tenant.h"
#include "sandbox/base/own.h"

enum {
    SECRET_BYTES = 32,
    TOKEN_SIZE = 64,
    HASH_SIZE = 3 + 2 * CL_TENANT_HASH + 1,
    WORDS_MAX = 8,
};

/* Of a token that is found where it should not be: scanners know it by this. */
#define PREFIX "cloche_"

struct made {
    char token[TOKEN_SIZE];
    char hash[HASH_SIZE];
};

static const char compiler[] = "cloche-policyc";
static const char default_id[] = "main";
static const char default_scopes[] = "call,modules,workflows,policies:read";

static int make(struct made *made)
{
    uint8_t secret[SECRET_BYTES], hash[CL_TENANT_HASH];
    const size_t prefix = strlen(PREFIX);

    if (sodium_init() < 0)
        return -1;
    randombytes_buf(secret, sizeof(secret));
    memcpy(made->token, PREFIX, prefix);
    sodium_bin2base64(made->token + prefix, sizeof(made->token) - prefix, secret,
                      sizeof(secret), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)made->token, strlen(made->token),
                       NULL, 0);
    memcpy(made->hash, "b2:", 3);
    sodium_bin2hex(made->hash + 3, sizeof(made->hash) - 3, hash, sizeof(hash));
    sodium_memzero(secret, sizeof(secret));
    return 0;
}

/* Runs `cloche-policyc tokens ...`, which prints its own errors; its exit status is ours. */
static int ask_compiler(const char *const words[WORDS_MAX])
{
    char path[PATH_MAX];
    char *argv[WORDS_MAX + 3] = { (char *)(uintptr_t)compiler, (char *)(uintptr_t) "tokens" };
    int status = 0;

    for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
        argv[i + 2] = (char *)(uintptr_t)words[i];
    if (cl_install_find(compiler, path) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s is neither beside this program nor installed",
                            compiler);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        execv(path, argv);
        _exit(CL_EXIT_USAGE);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "start %s: %s", path, strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CL_EXIT_OK : CL_EXIT_USAGE;
}

/* Names go into YAML, JSON and a command line as they are. */
static bool is_name(const char *text)
{
    static const char allowed[] = "_-abcdefghijklmnopqrstuvwxyz0123456789";
    const size_t length = strlen(text);

    return length > 0 && length < CL_TENANT_NAME_MAX && strspn(text, allowed) == length &&
           text[0] != '_' && text[0] != '-';
}

static bool is_scope(const char *word, size_t length)
{
    const char *known = CL_SCOPE_WORDS;

    for (; *known; known += strspn(known, " ")) {
        const size_t width = strcspn(known, " ");
        if (width == length && strncmp(known, word, length) == 0)
            return true;
        known += width;
    }
    return false;
}

static int check_scopes(const char *text)
{
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        if (!is_scope(at, length))
            return cl_verb_fail(CL_EXIT_USAGE, "--scopes: \"%.*s\" is none of: %s", (int)length,
                                at, CL_SCOPE_WORDS);
        at += length;
        if (*at == '\0')
            return CL_EXIT_OK;
    }
}

static int check_names(const struct cl_args *args, const char *id)
{
    if (!args->tenant)
        return cl_verb_fail(CL_EXIT_USAGE, "whose token? name the tenant with --tenant");
    if (!is_name(args->tenant))
        return cl_verb_fail(CL_EXIT_USAGE, "--tenant %s: a name is made of a-z 0-9 _ -",
                            args->tenant);
    if (strcmp(args->tenant, CL_TENANT_LOCAL_NAME) == 0)
        return cl_verb_fail(CL_EXIT_USAGE, "the tenant local has its token in the state "
                                           "directory, and no other");
    if (!is_name(id))
        return cl_verb_fail(CL_EXIT_USAGE, "--id %s: a name is made of a-z 0-9 _ -", id);
    return CL_EXIT_OK;
}

static int check_output(const struct cl_args *args, int *wants_json)
{
    struct cl_err err = CL_ERR_INIT;

    *wants_json = cl_verb_wants_json(args, &err);
    return *wants_json < 0 ? cl_verb_fail(CL_EXIT_USAGE, "%s", err.text) : CL_EXIT_OK;
}

/* "policies:read" would be a mapping in YAML without its quotes. */
static void print_list(const char *scopes, bool is_json)
{
    for (const char *at = scopes; *at;) {
        const int length = (int)strcspn(at, ",");
        const bool is_quoted = is_json || memchr(at, ':', (size_t)length);
        printf("%s%s%.*s%s",
               at == scopes ? ""
               : is_json    ? ","
                            : ", ",
               is_quoted ? "\"" : "", length, at, is_quoted ? "\"" : "");
        at += length + (at[length] == ',');
    }
}

/* The token and its entry, once. Scopes NULL: those of the entry that is there. */
static void print_made(const struct cl_args *args, const char *id, const char *scopes,
                       const struct made *made, bool is_json)
{
    if (is_json) {
        printf("{\"tenant\":\"%s\",\"id\":\"%s\",\"token\":\"%s\",\"hash\":\"%s\"",
               args->tenant, id, made->token, made->hash);
        if (scopes) {
            fputs(",\"scopes\":[", stdout);
            print_list(scopes, true);
            fputs("]", stdout);
        }
        puts("}");
        return;
    }
    puts(made->token);
    if (args->file) {
        fprintf(stderr,
                "This is shown once. Its hash is in %s; a running service takes it up "
                "by itself.\n",
                args->file);
        return;
    }
    printf("- {id: %s, hash: \"%s\"", id, made->hash);
    if (scopes) {
        fputs(", scopes: [", stdout);
        print_list(scopes, false);
        fputs("]", stdout);
    }
    puts("}");
    fprintf(stderr,
            "The token is shown once. The line behind it belongs under `tokens:` of "
            "tenant %s in tenants.yaml.\n",
            args->tenant);
}

static int create(const struct cl_args *args)
{
    const char *id = args->id ? args->id : default_id;
    const char *scopes = args->scopes ? args->scopes : default_scopes;
    struct made made;
    int is_json = 0;
    int code = check_names(args, id);

    if (code || (code = check_scopes(scopes)) || (code = check_output(args, &is_json)))
        return code;
    if (make(&made) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "libsodium does not start");
    const char *const words[WORDS_MAX] = { "add", args->file, args->tenant,
                                           id,    made.hash,  scopes };
    if (args->file && (code = ask_compiler(words)))
        return code;
    print_made(args, id, scopes, &made, is_json);
    sodium_memzero(&made, sizeof(made));
    return CL_EXIT_OK;
}

static int needs_file(const struct cl_args *args)
{
    return args->file ? CL_EXIT_OK
                      : cl_verb_fail(CL_EXIT_USAGE, "which file? name it with --file");
}

static int rotate(const struct cl_args *args)
{
    struct made made;
    int is_json = 0;
    int code = needs_file(args);

    if (code || (code = check_names(args, args->id ? args->id : default_id)) ||
        (code = check_output(args, &is_json)))
        return code;
    if (make(&made) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "libsodium does not start");
    const char *id = args->id ? args->id : default_id;
    const char *const words[WORDS_MAX] = { "rotate", args->file, args->tenant, id, made.hash };
    if ((code = ask_compiler(words)))
        return code;
    print_made(args, id, NULL, &made, is_json);
    sodium_memzero(&made, sizeof(made));
    return CL_EXIT_OK;
}

static int withdraw(const struct cl_args *args)
{
    int code = needs_file(args);

    if (code)
        return code;
    if (!args->id)
        return cl_verb_fail(CL_EXIT_USAGE, "which token? name it with --id");
    if ((code = check_names(args, args->id)))
        return code;
    const char *const words[WORDS_MAX] = { "revoke", args->file, args->tenant, args->id };
    return ask_compiler(words);
}

static int list(const struct cl_args *args)
{
    int is_json = 0;
    int code = needs_file(args);

    if (code || (code = check_output(args, &is_json)))
        return code;
    const char *const words[WORDS_MAX] = { "list", args->file, is_json ? "--json" : NULL };
    return ask_compiler(words);
}

static const struct {
    const char *name;
    int (*run)(const struct cl_args *args);
} rows[] = {
    { "create", create }, { "list", list }, { "revoke", withdraw }, { "rotate", rotate }
};

static int run(const struct cl_args *args)
{
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (strcmp(args->operand, rows[i].name) == 0)
            return rows[i].run(args);
    }
    return cl_verb_fail(CL_EXIT_USAGE, "token %s: create, list, revoke or rotate",
                        args->operand);
}

static const struct cl_option options[] = {
    { "tenant", "NAME", "whose token", offsetof(struct cl_args, tenant), CL_OPTION_TEXT, 't' },
    { "id", "NAME", "name of the token (main)", offsetof(struct cl_args, id), CL_OPTION_TEXT,
      'i' },
    { "scopes", "LIST", "call,modules,workflows,policies:read,admin (all but admin)",
      offsetof(struct cl_args, scopes), CL_OPTION_TEXT, 's' },
    { "file", "FILE", "the tenants.yaml to read or change in place",
      offsetof(struct cl_args, file), CL_OPTION_TEXT, 'f' },
    CL_OPTION_OUTPUT,
};

const struct cl_verb cl_verb_token = {
    .name = "token",
    .operands = "create|list|revoke|rotate",
    .summary = "Make a tenant's token, show it once, keep its hash in tenants.yaml.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
    .needs_operand = true,
};
