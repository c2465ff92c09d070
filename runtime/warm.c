/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs small calls of our own to warm up, and replaces shared random states.
 * Runs in: zygote (prepare) and worker (before its call).
 * Trusts: only our own source text runs here.
 */
#include "runtime/warm.h"

#include <sys/syscall.h>

#include "runtime/boot.h"
#include "runtime/drive.h"
#include "runtime/entry.h"
#include "runtime/heap.h"
#include "runtime/mersenne.h"
#include "runtime/modules.h"
#include "runtime/report.h"
#include "sandbox/base/policyview.h"

/* Python rewrites a function's code in place until it has run a dozen times: better here, than in
 * each clone on a page of its own. */
enum { ROUNDS = 16 };

static const char good_source[] =
    "def main(x, *rest, scale=2):\n"
    "    rows = [{'n': n, 't': str(n)} for n in range(8)]\n"
    "    total = sum(row['n'] for row in rows) * scale\n"
    "    print(f'{x} {total:.2f}', len(rest))\n"
    "    return {'rows': rows, 'total': total + 0.5, 'rest': sorted(rest)}\n";
static const char bad_source[] = "class E(ValueError):\n"
                                 "    pass\n"
                                 "def main():\n"
                                 "    try:\n"
                                 "        {}['x']\n"
                                 "    except KeyError as e:\n"
                                 "        raise E('warm') from e\n";

static const char loop_source[] = "import asyncio\n"
                                  "async def part(n):\n"
                                  "    await asyncio.sleep(0)\n"
                                  "    return n\n"
                                  "async def main():\n"
                                  "    return await asyncio.gather(part(1), part(2))\n";

static const char arrays_source[] =
    "import numpy as np\n"
    "def main():\n"
    "    a = np.array([[2.0, 1.0], [1.0, 3.0]])\n"
    "    b = np.arange(6).reshape(2, 3) * 1.5 + np.ones(3)\n"
    "    return [a @ b, b.sum(axis=0), b.mean(), b.max(), np.sqrt(b), np.where(b > 2, b, 0)]\n";

static const char algebra_source[] = "from numpy import array\n"
                                     "from numpy.linalg import det, inv, norm, solve\n"
                                     "def main():\n"
                                     "    a = array([[2.0, 1.0], [1.0, 3.0]])\n"
                                     "    return [det(a), inv(a), norm(a), solve(a, a[0])]\n";

static const char tables_source[] =
    "import pandas as pd\n"
    "def main():\n"
    "    f = pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3], 'w': [0.5, 1.5, 2.5]})\n"
    "    f['x'] = f['v'] * f['w']\n"
    "    by = f.groupby('k')['v'].sum()\n"
    "    days = pd.to_datetime(pd.Series(['2026-01-05', '2026-02-01']))\n"
    "    return [f[f['v'] > 1].sort_values('x'), by, f.merge(f, on='k'), days.dt.month]\n";

static const char csv_source[] =
    "import io, pandas as pd\n"
    "def main():\n"
    "    return pd.read_csv(io.StringIO('a,b\\n1,x\\n2.5,y\\n')).to_csv(index=False)\n";

/* What libraries do for the first time only: fill caches, choose loops for types. Theirs is the
 * longest part of a short call. Each is run where all of its modules are loaded anyway. */
static const struct {
    const char *modules[2];
    struct cl_bytes source;
} libraries[] = {
    { { "asyncio" }, { loop_source, sizeof(loop_source) - 1 } },
    { { "numpy" }, { arrays_source, sizeof(arrays_source) - 1 } },
    { { "numpy", "numpy.linalg" }, { algebra_source, sizeof(algebra_source) - 1 } },
    { { "pandas" }, { tables_source, sizeof(tables_source) - 1 } },
    { { "pandas", "io" }, { csv_source, sizeof(csv_source) - 1 } },
};

#define TEXT(array_)                                                                           \
    (struct cl_bytes)                                                                          \
    {                                                                                          \
        array_, sizeof(array_) - 1                                                             \
    }

static int run(const struct cl_call *call)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(64 << 10);
    CL_AUTO(cl_entry_fini) struct cl_entry entry = CL_ENTRY_INIT;
    struct cl_convert convert = { .out = &out, .depth_max = CL_DEPTH_MAX };
    cl_pyref_auto PyObject *value = NULL;

    if (cl_entry_arguments(&entry, call) < 0)
        return -1;
    value = cl_entry_run(&entry, call);
    return value ? cl_drive_put(&convert, value, call->source, false) : -1;
}

static int run_good(void)
{
    static const char args[] = "[1, \"two\", \"\xc3\xa9\"]", kwargs[] = "{\"scale\": 1.5}";
    const struct cl_call call = { .source = TEXT(good_source),
                                  .args = TEXT(args),
                                  .kwargs = TEXT(kwargs) };

    return run(&call);
}

static bool has(const char *const modules[2])
{
    for (int i = 0; i < 2 && modules[i]; i++) {
        if (!cl_pyref_module(modules[i]) || !cl_modules_allows(modules[i]))
            return false;
    }
    return true;
}

/* A policy may show less of a library (python.names) than its source here wants: calls will do
 * what the policy lets them do a little later. */
static void run_libraries(void)
{
    for (size_t i = 0; i < CL_COUNT(libraries); i++) {
        const struct cl_call call = { .source = libraries[i].source };

        if (has(libraries[i].modules) && run(&call) < 0)
            PyErr_Clear();
    }
}

/* Also walks the printing of a traceback. 0 when it raised what it should. */
static int run_bad(const struct cl_policy *policy)
{
    const struct cl_call call = { .source = TEXT(bad_source) };
    struct cl_report report = { .policy = policy, .source = call.source };
    CL_AUTO(cl_entry_fini) struct cl_entry entry = CL_ENTRY_INIT;
    cl_pyref_auto PyObject *value = NULL;
    cl_pyref_auto PyObject *type = NULL;
    cl_pyref_auto PyObject *exception = NULL;
    cl_pyref_auto PyObject *traceback = NULL;
    cl_pyref_auto PyObject *text = NULL;

    if (cl_entry_arguments(&entry, &call) < 0)
        return -1;
    value = cl_entry_run(&entry, &call);
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    if (value || !exception)
        return -1;
    if (traceback)
        PyException_SetTraceback(exception, traceback);
    text = cl_report_traceback(&report, exception);
    return text ? 0 : -1;
}

/* The caller must not find a module of ours under its own names. */
static int forget_module(void)
{
    PyObject *b_modules = PyImport_GetModuleDict();

    return PyDict_DelItemString(b_modules, CL_MODULE_NAME) < 0 ||
                   PyDict_DelItemString(b_modules, "__main__") < 0
               ? -1
               : 0;
}

static int freeze_heap(void)
{
    cl_pyref_auto PyObject *gc = PyImport_ImportModule("gc");
    cl_pyref_auto PyObject *done = NULL;

    PyGC_Collect();
    done = gc ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    if (!done)
        return -1;
    cl_heap_fill_holes();
    return 0;
}

int cl_warm_prepare(const struct cl_policy *policy, struct cl_err *err)
{
    for (int i = 0; i < ROUNDS; i++) {
        run_libraries();
        if (run_bad(policy) < 0 || run_good() < 0)
            return cl_boot_failed(err, "warm up");
    }
    cl_mersenne_prepare();
    if (forget_module() < 0 || freeze_heap() < 0)
        return cl_boot_failed(err, "warm up");
    return 0;
}

static bool is_open(const struct cl_policy *policy, uint32_t number)
{
    const uint32_t *open = cl_policyview_records(policy, &policy->syscalls);

    for (uint32_t i = 0; i < policy->syscalls.count; i++) {
        if (open[i] == number)
            return true;
    }
    return false;
}

/* What a generator is seeded with: None lets it ask the kernel. A policy that does not open
 * getrandom gets a different state for each clone, but no secret one. */
static PyObject *make_seed(const struct cl_policy *policy)
{
    if (is_open(policy, SYS_getrandom))
        return Py_NewRef(Py_None);
    return PyLong_FromUnsignedLong(__builtin_ia32_rdtsc() & UINT32_MAX);
}

/* The module's own generator, behind random.random() and the like. Its Python method `seed` would
 * do the same by a longer way. */
static int reseed_random(PyObject *seed)
{
    PyObject *b_module = cl_pyref_module("random");
    PyObject *b_base = cl_pyref_type("_random", "Random");
    cl_pyref_auto PyObject *instance = NULL;
    cl_pyref_auto PyObject *done = NULL;

    if (!b_module || !b_base)
        return 0;
    instance = PyObject_GetAttrString(b_module, "_inst");
    if (instance && PyObject_SetAttrString(instance, "gauss_next", Py_None) == 0)
        done = PyObject_CallMethod(b_base, "seed", "OO", instance, seed);
    return done ? 0 : -1;
}

/* A clone that shares its random numbers with others must not run. */
void cl_warm_reseed(const struct cl_policy *policy)
{
    cl_pyref_auto PyObject *seed = make_seed(policy);

    CL_CHECK(seed);
    CL_CHECK(reseed_random(seed) == 0);
    CL_CHECK(cl_mersenne_reseed(is_open(policy, SYS_getrandom)) == 0);
}

/* Enough to walk parser, compiler, evaluation and both conversions once. */
static const char park_source[] = "def main(x):\n"
                                  "    return {'x': x}\n";

static const char park_args[] = "[1]";

void cl_warm_run(struct cl_call *call)
{
    call->source = TEXT(park_source);
    call->args = TEXT(park_args);
    if (run(call) < 0 || forget_module() < 0)
        PyErr_Clear();
    call->source = call->args = (struct cl_bytes){ NULL, 0 };
}
