/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche push`: Python files to the service, all of a folder at once.
 * Runs in: cloche.
 * Trusts: the user; files go as they are, what comes back is shown, not interpreted.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cli/body.h"
#include "api/cli/callopts.h"
#include "api/cli/json.h"
#include "api/cli/post.h"
#include "sandbox/base/own.h"

enum { FILES_MAX = 1000, STEM_MAX = 64 };

static const char default_dir[] = ".gleitzeit/functions";

static const struct cl_option options[] = {
    CL_OPTION_POLICY("the one that a module has, or the tenant's first"),
    { "prune", NULL, "remove the modules that the folder does not have",
      offsetof(struct cl_args, prunes), CL_OPTION_FLAG, 0 },
    CL_OPTION_OUTPUT,
    CL_OPTION_URL,
    CL_OPTION_TOKEN_FILE,
};

/* ------------------------------------------------------------------------------------- body */

/* "prices" of "a/prices.py"; false when no module can be called like that. */
static bool stem_of(const char *path, char stem[STEM_MAX + 1])
{
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t length = strspn(name, rest);

    if (length == 0 || length > STEM_MAX || strcmp(name + length, ".py") != 0 ||
        (*name >= '0' && *name <= '9'))
        return false;
    memcpy(stem, name, length);
    stem[length] = '\0';
    return true;
}

/* What is on its way; a file that can't be a module is named and left out. */
struct pushing {
    struct cl_buf body;
    size_t count, left_out;
};

static int put_source(struct pushing *pushing, const char *path, struct cl_err *err)
{
    char stem[STEM_MAX + 1];

    if (!stem_of(path, stem)) {
        pushing->left_out++;
        cl_json_show(path, strlen(path), stderr);
        fprintf(stderr, ": a module's name is [a-z_][a-z0-9_]* with at most %d letters\n",
                STEM_MAX);
        return 0;
    }
    if (cl_buf_format(&pushing->body, err, "%s\"%s\":", pushing->count++ ? "," : "", stem) < 0)
        return -1;
    return cl_body_put_source(&pushing->body, path, err);
}

static int is_python(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && dot && strcmp(dot, ".py") == 0 &&
           strcmp(entry->d_name, "__init__.py") != 0;
}

static void free_names(struct dirent **names, int count)
{
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static int put_entry(struct pushing *pushing, const char *folder, const char *name,
                     struct cl_err *err)
{
    char file[PATH_MAX];

    if ((size_t)snprintf(file, sizeof(file), "%s/%s", folder, name) >= sizeof(file))
        return cl_fail(err, CL_E_INPUT, "%s: the path is too long", name);
    return put_source(pushing, file, err);
}

static int put_folder(struct pushing *pushing, const char *path, struct cl_err *err)
{
    struct dirent **names = NULL;
    const int found = scandir(path, &names, is_python, alphasort);
    int put = 0;

    if (found < 0)
        return cl_fail(err, CL_E_INPUT, "%s: %s", path, strerrordesc_np(errno));
    if (found > FILES_MAX)
        put = cl_fail(err, CL_E_LIMIT, "%s has more than %d files", path, FILES_MAX);
    for (int i = 0; i < found && put == 0; i++)
        put = put_entry(pushing, path, names[i]->d_name, err);
    free_names(names, found);
    if (put == 0 && found == 0)
        return cl_fail(err, CL_E_INPUT, "%s has no .py file", path);
    return put;
}

static int make_body(struct pushing *pushing, const char *path, const struct cl_args *args,
                     struct cl_err *err)
{
    struct cl_buf *body = &pushing->body;
    struct stat found;

    if (stat(path, &found) < 0)
        return cl_fail(err, CL_E_INPUT, "%s: %s", path, strerrordesc_np(errno));
    if (args->prunes && !S_ISDIR(found.st_mode))
        return cl_fail(err, CL_E_INPUT, "--prune needs a folder");
    if (cl_buf_put_text(body, "{\"files\":{", err) < 0 ||
        (S_ISDIR(found.st_mode) ? put_folder(pushing, path, err)
                                : put_source(pushing, path, err)) < 0 ||
        cl_buf_format(body, err, "},\"prune\":%s", args->prunes ? "true" : "false") < 0)
        return -1;
    if (args->policy && (cl_buf_put_text(body, ",\"policy\":", err) < 0 ||
                         cl_json_put_string(body, args->policy, strlen(args->policy), err) < 0))
        return -1;
    return cl_buf_put_text(body, "}", err);
}

/* ----------------------------------------------------------------------------------- answer */

static void show(struct cl_json value, int width, FILE *to)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, to);
    for (int i = (int)text.length; i < width; i++)
        fputc(' ', to);
}

static size_t show_modules(struct cl_json modules)
{
    struct cl_json key, module;
    size_t cursor = 0, count = 0;

    while (cl_json_next(modules, &cursor, &key, &module)) {
        show(cl_json_member(module, "name"), 24, stdout);
        fputs("  ", stdout);
        show(cl_json_member(module, "state"), 8, stdout);
        fputs("  ", stdout);
        show(cl_json_member(module, "version"), 0, stdout);
        fputc('\n', stdout);
        count++;
    }
    return count;
}

static void show_removed(struct cl_json removed)
{
    struct cl_json key, name;
    size_t cursor = 0;

    while (cl_json_next(removed, &cursor, &key, &name)) {
        show(name, 24, stdout);
        fputs("  removed\n", stdout);
    }
}

/* "prices.py:3: SyntaxError: invalid syntax", as a compiler says it. */
static size_t show_refused(struct cl_json refused)
{
    struct cl_json key, file;
    size_t cursor = 0, count = 0;

    fflush(stdout);
    while (cl_json_next(refused, &cursor, &key, &file)) {
        const struct cl_json line = cl_json_member(file, "line");

        show(cl_json_member(file, "name"), 0, stderr);
        fputs(".py:", stderr);
        if (line.length) {
            show(line, 0, stderr);
            fputc(':', stderr);
        }
        fputc(' ', stderr);
        show(cl_json_member(file, "message"), 0, stderr);
        fputc('\n', stderr);
        count++;
    }
    return count;
}

static int show_push(struct cl_json root, size_t left_out)
{
    const size_t good = show_modules(cl_json_member(root, "modules"));

    show_removed(cl_json_member(root, "removed"));
    left_out += show_refused(cl_json_member(root, "refused"));
    if (left_out == 0)
        return CL_EXIT_OK;
    return cl_verb_fail(CL_EXIT_USAGE, "%zu left out, %zu pushed", left_out, good);
}

static int push(struct cl_service *service, const struct pushing *pushing, bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;
    struct cl_json key, file;
    size_t cursor = 0;

    if (cl_service_post(service, "/v1/modules:push", &pushing->body, NULL, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (!as_json)
        return show_push(root, pushing->left_out);
    printf("%.*s\n", (int)root.length, root.text);
    return pushing->left_out > 0 ||
                   cl_json_next(cl_json_member(root, "refused"), &cursor, &key, &file)
               ? CL_EXIT_USAGE
               : CL_EXIT_OK;
}

static void fini(struct pushing *pushing)
{
    cl_buf_fini(&pushing->body);
}

static int run(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct pushing CL_AUTO(fini) pushing = { .body = CL_BUF_INIT(CL_BODY_MAX) };
    struct cl_err err = CL_ERR_INIT;
    const char *home = getenv("HOME");
    const int as_json = cl_verb_wants_json(args, &err);
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", home ? home : "", default_dir);
    if (as_json < 0 ||
        make_body(&pushing, args->operand ? args->operand : path, args, &err) < 0 ||
        cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (pushing.count == 0)
        return CL_EXIT_USAGE; /* each was named */
    return push(&service, &pushing, as_json);
}

const struct cl_verb cl_verb_push = {
    .name = "push",
    .operands = "[DIR|FILE]",
    .summary =
        "Keep the Python files of a folder (~/.gleitzeit/functions): they can be called.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
};
