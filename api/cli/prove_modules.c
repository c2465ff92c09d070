/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language's half of `cloche policy test`: modules, names, builtins and what each tier is for.
 * Runs in: cloche, as root.
 * Trusts: the policy's compiled form for what is expected.
 */
#include <string.h>

#include "api/cli/prove.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { SOURCE_MAX = 64 << 10 };

static const struct cl_expected granted = { CL_PROOF_GRANT, "ok", NULL };

/* ----------------------------------------------------------------------------------- modules */

/* Tried when they are not listed: what leads furthest. */
static const char *const tempting[] = {
    "os",     "sys",       "socket",   "subprocess", "ctypes", "importlib",   "builtins",
    "gc",     "threading", "pickle",   "marshal",    "posix",  "signal",      "inspect",
    "shutil", "code",      "tempfile", "mmap",       "runpy",  "_thread",     "cffi",
    "io",     "nt",        "urllib",   "json.tool",  "email",  "http.client",
};

static int prove_import(struct cl_prove *prove, const struct cl_expected *expected,
                        const char *module)
{
    char source[1024];
    char what[256];

    snprintf(what, sizeof(what), "module %s", module);
    snprintf(source, sizeof(source), "import %s\ndef main(): return 1\n", module);
    return cl_prove_call(prove, expected, what, source, "");
}

static int prove_listed(struct cl_prove *prove, const char *module)
{
    return prove_import(prove, &granted, module);
}

static int prove_unlisted(struct cl_prove *prove, const char *module)
{
    static const struct cl_expected refused = { CL_PROOF_REFUSAL, "denied", "modules" };

    return prove_import(prove, &refused, module);
}

/* "module=name,name": these names are there, and nothing else that is public. */
static int prove_names(struct cl_prove *prove, const char *rule)
{
    const char *equals = strchrnul(rule, '=');
    const int length = (int)(equals - rule);
    struct cl_buf CL_AUTO(cl_buf_fini) source = CL_BUF_INIT(SOURCE_MAX);
    struct cl_err err = CL_ERR_INIT;
    char what[256];

    snprintf(what, sizeof(what), "names of %.*s, these and no other", length, rule);
    if (cl_buf_format(&source, &err,
                      "import %.*s as m\n"
                      "def main():\n"
                      "    seen = {n for n in dir(m) if not n.startswith('_')}\n"
                      "    wanted = set('%s'.split(','))\n"
                      "    for name in wanted: getattr(m, name)\n"
                      "    if seen != wanted: raise ValueError(sorted(seen ^ wanted))\n",
                      length, rule, *equals ? equals + 1 : equals) < 0 ||
        cl_buf_put(&source, "", 1, &err) < 0)
        return -1;
    return cl_prove_call(prove, &granted, what, (const char *)source.bytes, "");
}

static int prove_removed(struct cl_prove *prove, const char *name)
{
    const struct cl_expected refused = { CL_PROOF_REFUSAL, "denied", "builtins" };
    char source[256];
    char what[128];

    snprintf(what, sizeof(what), "builtin %s", name);
    snprintf(source, sizeof(source), "def main(): %s()\n", name);
    return cl_prove_call(prove, &refused, what, source, "");
}

/* Called with nothing: one that was removed is there as well, and ends the call. */
static int prove_kept(struct cl_prove *prove, const char *name)
{
    char source[256];
    char what[128];

    snprintf(what, sizeof(what), "builtin %s", name);
    snprintf(source, sizeof(source),
             "def main():\n"
             "    try: %s()\n"
             "    except (TypeError, EOFError): pass\n",
             name);
    return cl_prove_call(prove, &granted, what, source, "");
}

static int each(struct cl_prove *prove, const struct cl_policy_span *span,
                int (*one)(struct cl_prove *prove, const char *text))
{
    const struct cl_policy *policy = cl_private_policy(&prove->own);
    const char *text = NULL;

    while ((text = cl_policyview_text(policy, span, text))) {
        if (one(prove, text) < 0)
            return -1;
    }
    return 0;
}

int cl_prove_modules(struct cl_prove *prove)
{
    static const char *const builtins[] = { "open",    "input", "eval", "exec",
                                            "compile", "print", "len" };
    const struct cl_policy *policy = cl_private_policy(&prove->own);

    if (each(prove, &policy->modules, prove_listed) < 0 ||
        each(prove, &policy->names, prove_names) < 0 ||
        each(prove, &policy->builtins_removed, prove_removed) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(builtins); i++) {
        if (cl_prove_has_builtin(prove, builtins[i]) && prove_kept(prove, builtins[i]) < 0)
            return -1;
    }
    for (size_t i = 0; i < CL_COUNT(tempting); i++) {
        if (!cl_prove_lists(prove, tempting[i]) && prove_unlisted(prove, tempting[i]) < 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------- tiers */

/* What a tier is for, done. Left out when the policy does not list the module: the system calls
 * behind it were proved one by one all the same. */
static const struct work {
    uint32_t tier;
    const char *module; /* or the builtin `open` */
    const char *what, *source;
} works[] = {
    { CL_TIER_COMPUTE, NULL, "tier compute: a program runs",
      "def main(): return sum(i * i for i in range(1000))\n" },
    { CL_TIER_TIME, "time", "tier time: a sleep ends",
      "import time\ndef main(): time.sleep(0.01)\n" },
    { CL_TIER_TIME, "uuid", "tier time: there is entropy",
      "import uuid\ndef main(): return str(uuid.uuid4())\n" },
    { CL_TIER_THREADS, "threading", "tier threads: a thread runs and ends",
      "import threading\n"
      "def main():\n"
      "    done = []\n"
      "    thread = threading.Thread(target=done.append, args=(1,))\n"
      "    thread.start(); thread.join()\n"
      "    return done[0]\n" },
    { CL_TIER_ASYNCIO, "asyncio", "tier asyncio: a timer fires in the event loop",
      "import asyncio\n"
      "async def main():\n"
      "    return await asyncio.wait_for(asyncio.sleep(0.01, 7), 1)\n" },
    { CL_TIER_TMP_FILES, "open", "tier tmp_files: a file is written and read",
      "def main():\n"
      "    with open('/tmp/proof', 'w') as file: file.write('x' * 1000)\n"
      "    with open('/tmp/proof') as file: return len(file.read())\n" },
};

/* Of a module that shows some names only, these were proved; the work may need others. */
static bool is_narrowed(const struct cl_prove *prove, const char *module)
{
    const struct cl_policy *policy = cl_private_policy(&prove->own);
    const size_t length = strlen(module);
    const char *rule = NULL;

    while ((rule = cl_policyview_text(policy, &policy->names, rule))) {
        if (strncmp(rule, module, length) == 0 && rule[length] == '=')
            return true;
    }
    return false;
}

static bool is_usable(const struct cl_prove *prove, const char *module)
{
    if (!module)
        return true;
    if (is_narrowed(prove, module))
        return false;
    return strcmp(module, "open") == 0 ? cl_prove_has_builtin(prove, module)
                                       : cl_prove_lists(prove, module);
}

int cl_prove_tiers(struct cl_prove *prove)
{
    const struct cl_policy *policy = cl_private_policy(&prove->own);

    for (size_t i = 0; i < CL_COUNT(works); i++) {
        const struct work *work = &works[i];
        if ((policy->tiers & work->tier) && is_usable(prove, work->module) &&
            cl_prove_call(prove, &granted, work->what, work->source, "") < 0)
            return -1;
    }
    return 0;
}
