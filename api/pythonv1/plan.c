/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of python/v1, by table.
 * Runs in: cloche-api.
 * Trusts: nothing; parameters passed the JSON checker, their meaning is checked here.
 */
#include "api/pythonv1/plan.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

enum { CODE_TIMEOUT = 30, CODE_TIMEOUT_MAX = 300 };

const char *const cl_v1_builtins[] = {
    "math.sqrt",  "math.sin",   "math.cos",  "math.factorial",
    "str.upper",  "str.lower",  "str.strip", "len",
    "sum",        "max",        "min",       "sorted",
    "json.dumps", "json.loads", NULL,
};

bool cl_v1_is_builtin(const char *name)
{
    for (size_t i = 0; cl_v1_builtins[i]; i++) {
        if (strcmp(cl_v1_builtins[i], name) == 0)
            return true;
    }
    return false;
}

/* Null counts as absent. */
static struct cl_json param(const struct cl_v1_plan *plan, const char *name)
{
    static const struct cl_json none;
    const struct cl_json value = cl_v1_member(plan->params, name);

    return cl_json_kind(value) == CL_JSON_NULL ? none : value;
}

static bool is_text(struct cl_json value)
{
    return cl_json_kind(value) == CL_JSON_STRING && value.length > strlen("\"\"");
}

static int missing(struct cl_v1_fault *fault, const char *name)
{
    return cl_v1_fail(fault, CL_V1_PARAMS, "Missing '%s' parameter", name);
}

static int check_kind(const struct cl_v1_plan *plan, const char *name, enum cl_json_kind kind,
                      struct cl_v1_fault *fault)
{
    const struct cl_json value = param(plan, name);

    if (cl_json_kind(value) == CL_JSON_NONE || cl_json_kind(value) == kind)
        return 0;
    return cl_v1_fail(fault, CL_V1_PARAMS, "Parameter '%s' must be %s", name,
                      kind == CL_JSON_ARRAY ? "a list" : "an object");
}

/* A name of a function as it is looked up; a longer one is known to nobody. */
static int read_name(struct cl_v1_plan *plan, const char *key, struct cl_v1_fault *fault)
{
    char whole[CL_V1_MESSAGE_MAX / 2];

    plan->shown = param(plan, key);
    if (!is_text(plan->shown))
        return missing(fault, key);
    if (cl_v1_plain(plan->shown, plan->name, sizeof(plan->name)))
        return 0;
    cl_v1_plain(plan->shown, whole, sizeof(whole));
    return cl_v1_fail(fault, CL_V1_PARAMS, "Function %s not found", whole);
}

/* ------------------------------------------------------------------------------ functions */

static int read_execute(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    if (read_name(plan, "function", fault) < 0 ||
        check_kind(plan, "args", CL_JSON_ARRAY, fault) < 0 ||
        check_kind(plan, "kwargs", CL_JSON_OBJECT, fault) < 0)
        return -1;
    plan->isolated = cl_json_kind(param(plan, "isolated")) == CL_JSON_TRUE;
    return 0;
}

static int read_info(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    return read_name(plan, "function", fault);
}

/* [A-Za-z_][A-Za-z0-9_.]* */
static bool is_name(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char rest[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.0123456789";

    return text[0] && strchr(letters, text[0]) && text[strspn(text, rest)] == '\0';
}

static const struct kind {
    const char *kind;
    const char *first, *second; /* parameters; second may be NULL */
} kinds[] = {
    { "lambda", "lambda", NULL },
    { "module", "module", "function" },
    { "source", "source", "function" },
};

static const struct kind *find_kind(const char *type)
{
    for (size_t i = 0; i < CL_COUNT(kinds); i++) {
        if (strcmp(kinds[i].kind, type) == 0)
            return &kinds[i];
    }
    return NULL;
}

static int read_parts(struct cl_v1_plan *plan, const struct kind *kind,
                      struct cl_v1_fault *fault)
{
    plan->kind = kind->kind;
    plan->part[0] = param(plan, kind->first);
    if (cl_json_kind(plan->part[0]) != CL_JSON_STRING)
        return missing(fault, kind->first);
    if (!kind->second)
        return 0;
    plan->part[1] = param(plan, kind->second);
    return is_text(plan->part[1]) ? 0 : missing(fault, kind->second);
}

static int read_register(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    const struct cl_json type = param(plan, "type");
    const struct kind *kind;
    char word[CL_V1_NAME_MAX] = "lambda";

    plan->shown = param(plan, "name");
    if (!is_text(plan->shown))
        return missing(fault, "name");
    if (!cl_v1_plain(plan->shown, plan->name, sizeof(plan->name)) || !is_name(plan->name))
        return cl_v1_fail(fault, CL_V1_PARAMS,
                          "Invalid function name: letters, digits, '_' and '.', at most %d",
                          CL_V1_NAME_MAX);
    if (cl_json_kind(type) != CL_JSON_NONE)
        cl_v1_plain(type, word, sizeof(word));
    if (strcmp(word, "serialized") == 0)
        return cl_v1_fail(fault, CL_V1_PARAMS, "Pickle deserialization disabled for security");
    kind = find_kind(word);
    if (!kind)
        return cl_v1_fail(fault, CL_V1_PARAMS, "Unknown function type: %s", word);
    plan->overwrite = cl_json_kind(param(plan, "overwrite")) == CL_JSON_TRUE;
    return read_parts(plan, kind, fault);
}

static int read_unregister(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    return read_name(plan, "name", fault);
}

static int read_list(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    static const char *const words[] = { "", "builtin", "file", "registered" };
    const struct cl_json source = param(plan, "source");
    char word[CL_V1_NAME_MAX];

    if (cl_json_kind(source) == CL_JSON_NONE)
        return 0;
    cl_v1_plain(source, word, sizeof(word));
    for (size_t i = CL_V1_BUILTIN; i < CL_COUNT(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            plan->source = (enum cl_v1_source)i;
            return 0;
        }
    }
    return cl_v1_fail(fault, CL_V1_PARAMS, "Unknown source: %s", word);
}

/* ----------------------------------------------------------------------------------- eval */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* An identifier without a leading underscore; bytes above ASCII are left to Python. */
static bool is_context_name(const char *text)
{
    if (!is_letter(text[0]))
        return false;
    for (; *text; text++) {
        if (!is_letter(*text) && *text != '_' && !(*text >= '0' && *text <= '9'))
            return false;
    }
    return true;
}

static int check_context(struct cl_json context, struct cl_v1_fault *fault)
{
    struct cl_json key, value;
    char name[CL_V1_NAME_MAX + 1];
    size_t cursor = 0;

    while (cl_json_kind(context) == CL_JSON_OBJECT &&
           cl_json_next(context, &cursor, &key, &value)) {
        if (!cl_v1_plain(key, name, sizeof(name)) || !is_context_name(name))
            return cl_v1_fail(fault, CL_V1_PARAMS, "Invalid context name: %s", name);
    }
    return 0;
}

static int read_eval(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    if (cl_json_kind(cl_v1_member(plan->params, "allow_eval")) != CL_JSON_TRUE)
        return cl_v1_fail(
            fault, CL_V1_PARAMS,
            "eval method is disabled for security. Set allow_eval=true to enable.");
    plan->shown = param(plan, "expression");
    if (cl_json_kind(plan->shown) != CL_JSON_STRING)
        return missing(fault, "expression");
    plan->text = plan->shown;
    if (check_kind(plan, "context", CL_JSON_OBJECT, fault) < 0)
        return -1;
    return check_context(param(plan, "context"), fault);
}

/* ------------------------------------------------------------------------ code and files */

/* "prices.py" or "prices": a file of the tenant's set, which has no folders. */
static int read_file(struct cl_v1_plan *plan, struct cl_json file, struct cl_v1_fault *fault)
{
    static const char suffix[] = ".py";
    char path[CL_V1_NAME_MAX + 1];
    size_t length;

    if (!is_text(file) || !cl_v1_plain(file, path, sizeof(path)))
        return missing(fault, "file");
    if (path[0] == '/' || path[0] == '~' || strstr(path, "..") || strchr(path, '\\'))
        return cl_v1_fail(fault, CL_V1_PARAMS, "File path not allowed: %s", path);
    length = strlen(path);
    if (length > strlen(suffix) && strcmp(path + length - strlen(suffix), suffix) == 0)
        path[length - strlen(suffix)] = '\0';
    snprintf(plan->file, sizeof(plan->file), "%s", path);
    plan->shown = file;
    return 0;
}

static int read_text(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    const struct cl_json file = param(plan, "file");
    const struct cl_json code = param(plan, "code");

    if (cl_json_kind(file) != CL_JSON_NONE && cl_json_kind(code) != CL_JSON_NONE)
        return cl_v1_fail(fault, CL_V1_PARAMS, "Give either 'file' or 'code', not both");
    if (cl_json_kind(file) != CL_JSON_NONE)
        return read_file(plan, file, fault);
    if (cl_json_kind(code) != CL_JSON_STRING)
        return cl_v1_fail(fault, CL_V1_PARAMS, "Missing 'file' or 'code' parameter");
    plan->text = code;
    return 0;
}

static int read_code(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    const struct cl_json timeout = param(plan, "timeout");
    const struct cl_json mode = param(plan, "execution_mode");
    struct cl_err err = CL_ERR_INIT;
    uint64_t seconds = CODE_TIMEOUT;

    if (read_text(plan, fault) < 0)
        return -1;
    if (cl_json_kind(timeout) != CL_JSON_NONE &&
        (cl_json_kind(timeout) != CL_JSON_NUMBER || cl_json_u64(timeout, &seconds, &err) < 0 ||
         seconds < 1 || seconds > CODE_TIMEOUT_MAX))
        return cl_v1_fail(fault, CL_V1_PARAMS,
                          "Parameter 'timeout' must be a whole number of seconds, 1 to %d",
                          CODE_TIMEOUT_MAX);
    plan->timeout_s = (uint32_t)seconds;
    if (cl_json_kind(mode) != CL_JSON_NONE && !cl_json_is(mode, "local") &&
        !cl_json_is(mode, "sandboxed") && !cl_json_is(mode, "datascience"))
        return cl_v1_fail(fault, CL_V1_PARAMS, "Unknown execution_mode");
    cl_v1_plain(mode, plan->mode, sizeof(plan->mode));
    return 0;
}

static int read_validate(struct cl_v1_plan *plan, struct cl_v1_fault *fault)
{
    return read_text(plan, fault);
}

/* --------------------------------------------------------------------------------- methods */

static const struct method {
    const char *name;
    enum cl_v1_operation operation;
    int (*read)(struct cl_v1_plan *plan, struct cl_v1_fault *fault);
} methods[] = {
    { "execute", CL_V1_EXECUTE, read_execute },
    { "register", CL_V1_REGISTER, read_register },
    { "unregister", CL_V1_UNREGISTER, read_unregister },
    { "list", CL_V1_LIST, read_list },
    { "info", CL_V1_INFO, read_info },
    { "eval", CL_V1_EVAL, read_eval },
    { "python/execute", CL_V1_CODE, read_code },
    { "python/validate", CL_V1_VALIDATE, read_validate },
    { "python/list", CL_V1_LIST, read_list },
    { "python/info", CL_V1_INFO, read_info },
    { "python/eval", CL_V1_EVAL, read_eval },
    { "python/register", CL_V1_REGISTER, read_register },
};

static const struct method *find_method(const char *name)
{
    for (size_t i = 0; i < CL_COUNT(methods); i++) {
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}

bool cl_pythonv1_has_method(const char *method)
{
    return find_method(method) != NULL;
}

int cl_v1_plan_make(struct cl_v1_plan *plan, const char *method, struct cl_json params,
                    struct cl_v1_fault *fault)
{
    const struct method *row = find_method(method);
    const enum cl_json_kind kind = cl_json_kind(params);

    *plan = (struct cl_v1_plan){ .params = params };
    if (!row)
        return cl_v1_fail(fault, CL_V1_METHOD, "Unknown method: %s", method);
    plan->operation = row->operation;
    if (kind != CL_JSON_NONE && kind != CL_JSON_NULL && kind != CL_JSON_OBJECT)
        return cl_v1_fail(fault, CL_V1_PARAMS, "Parameter 'params' must be an object");
    return row->read(plan, fault);
}
