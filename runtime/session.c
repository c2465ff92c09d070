/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the calls of a session, each with a voice of its own, and frees what a call leaves but for
 * its globals.
 * Runs in: worker.
 * Trusts: nothing of the calls; they are of one caller, and no border is drawn between them.
 */
#include "runtime/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/boot.h"
#include "runtime/drive.h"
#include "runtime/emit.h"
#include "runtime/modset.h"
#include "runtime/run.h"
#include "runtime/stdio.h"
#include "sandbox/base/own.h"

/* Who speaks: what a context variable holds while a call runs, in whatever thread or task. */
struct speaker {
    struct cl_emit_voice voice;
    struct cl_stdio_pair *out; /* owned */
    PyObject *input;           /* owned; NULL until it is fed */
};

static const char capsule_name[] = "cloche.speaker";
static PyObject *speaking; /* the context variable; owned, for ever */
static bool has_threads;

void cl_session_prepare(const struct cl_policy *policy)
{
    has_threads = (policy->tiers & CL_TIER_THREADS) && policy->processes > 2;
}

/* ---------------------------------------------------------------------------------- speakers */

static void free_speaker(PyObject *capsule)
{
    struct speaker *speaker = PyCapsule_GetPointer(capsule, capsule_name);

    free(speaker->out);
    Py_XDECREF(speaker->input);
    free(speaker);
}

static PyObject *new_speaker(const struct cl_call *call)
{
    cl_free_auto struct speaker *speaker = calloc(1, sizeof(*speaker));
    PyObject *capsule;

    if (!speaker || !(speaker->out = cl_stdio_pair_new()))
        return PyErr_NoMemory();
    cl_emit_voice_open(&speaker->voice, call->number, &call->head);
    capsule = PyCapsule_New(speaker, capsule_name, free_speaker);
    if (capsule)
        speaker = NULL;
    else
        free(speaker->out);
    return capsule;
}

/* Of this thread or task; NULL: no call is behind it. It lives as long as the context does. */
static struct speaker *find_speaker(void)
{
    PyObject *type, *value, *traceback;
    PyObject *capsule = NULL;
    struct speaker *speaker = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    if (PyContextVar_Get(speaking, NULL, &capsule) == 0 && capsule)
        speaker = PyCapsule_GetPointer(capsule, capsule_name);
    Py_XDECREF(capsule);
    PyErr_Restore(type, value, traceback);
    return speaker;
}

static struct cl_stdio_pair *find_pair(void)
{
    struct speaker *speaker = find_speaker();

    cl_emit_speak(speaker ? &speaker->voice : NULL);
    return speaker ? speaker->out : NULL;
}

int cl_session_feed(const char *text, size_t length)
{
    struct speaker *speaker = find_speaker();

    CL_CHECK(speaker);
    speaker->input = cl_stdio_input(text, length);
    return speaker->input ? 0 : -1;
}

/* For the object that stands for sys.stdin. */
static PyObject *get_input(PyObject *self, PyObject *unused)
{
    const struct speaker *speaker = find_speaker();

    (void)self;
    (void)unused;
    return speaker && speaker->input ? Py_NewRef(speaker->input) : cl_stdio_input("", 0);
}

static PyObject *copy_context(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyContext_CopyCurrent();
}

static PyMethodDef context_def = { "copy_context", copy_context, METH_NOARGS, NULL };
static PyMethodDef input_def = { "input", get_input, METH_NOARGS, NULL };

/* ------------------------------------------------------------------------------------- a call */

static void free_text(struct cl_bytes *text)
{
    free((void *)(uintptr_t)text->bytes);
    *text = (struct cl_bytes){ NULL, 0 };
}

static void free_texts(struct cl_bytes *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_text(&texts[i]);
}

/* Of modules that came again, those that are in use stay. */
static void free_call(struct cl_call *call)
{
    free_text(&call->entry);
    free_text(&call->args);
    free_text(&call->kwargs);
    free_text(&call->stdin_text);
    free_texts(call->file_path, call->file_count);
    free_texts(call->file_content, call->file_count);
    free_texts(call->artifact, call->artifact_count);
    free_texts(call->env, call->env_count);
    free_text(&call->source);
    for (size_t i = 0; i < call->module_count; i++) {
        const bool is_kept = cl_modset_keeps(call->module_name[i], call->module_source[i]);

        free_text(&call->module_name[i]);
        if (is_kept)
            continue;
        free_text(&call->module_source[i]);
        free_text(&call->module_code[i]);
    }
}

static _Noreturn void end_failed(const char *what)
{
    struct cl_err err = CL_ERR_INIT;

    cl_boot_failed(&err, what);
    cl_emit_failed(&err);
}

/* In a context of its own, so that nothing that a call binds there is the next one's. */
static void run_call(const struct cl_call *call)
{
    cl_pyref_auto PyObject *context = PyContext_CopyCurrent();
    cl_pyref_auto PyObject *speaker = context ? new_speaker(call) : NULL;
    cl_pyref_auto PyObject *token = NULL;

    if (!speaker || PyContext_Enter(context) < 0)
        end_failed("begin a call");
    token = PyContextVar_Set(speaking, speaker);
    if (!token)
        end_failed("begin a call");
    find_pair(); /* from here on this thread speaks for the call */
    cl_run_session_call(call);
    PyErr_Clear();
    cl_emit_speak(NULL);
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
}

static void on_thread(void *arg)
{
    struct cl_call *call = arg;
    const PyGILState_STATE state = PyGILState_Ensure();

    run_call(call);
    free_call(call);
    PyGILState_Release(state);
    free(call);
}

static void take(struct cl_call *call, bool is_heap)
{
    if (has_threads && is_heap &&
        PyThread_start_new_thread(on_thread, call) != PYTHREAD_INVALID_THREAD_ID)
        return;
    /* Also where the caller's own threads have used up what there is. */
    run_call(call);
    free_call(call);
    if (is_heap)
        free(call);
}

/* ----------------------------------------------------------------------------------- the loop */

static void open_session(void)
{
    struct cl_err err = CL_ERR_INIT;
    cl_pyref_auto PyObject *helper = cl_boot_helper("session", &err);
    cl_pyref_auto PyObject *input = PyCFunction_New(&input_def, NULL);
    cl_pyref_auto PyObject *context = PyCFunction_New(&context_def, NULL);
    cl_pyref_auto PyObject *runner = NULL;

    if (!helper)
        cl_emit_failed(&err);
    speaking = PyContextVar_New("cloche", NULL);
    if (speaking && input && context)
        runner = PyObject_CallMethod(helper, "install", "OOO", input, context,
                                     has_threads ? Py_True : Py_False);
    if (!runner || cl_drive_set_runner(runner) < 0)
        end_failed("open the session");
    cl_stdio_share(find_pair);
}

static struct cl_call *copy_of(const struct cl_call *call)
{
    struct cl_call *copy = malloc(sizeof(*copy));

    if (!copy)
        _exit(1);
    memcpy(copy, call, sizeof(*copy));
    return copy;
}

_Noreturn void cl_session_run(struct cl_intake *intake, const struct cl_call *first)
{
    struct cl_call *call = copy_of(first);
    struct cl_emit_voice opening;
    struct cl_err err = CL_ERR_INIT;
    int got;

    cl_emit_voice_open(&opening, first->number, &first->head);
    cl_emit_speak(&opening);
    open_session();
    for (;;) {
        take(call, true);
        call = calloc(1, sizeof(*call));
        intake->total = 0;
        Py_BEGIN_ALLOW_THREADS
        got = call ? cl_intake_call(intake, call, NULL, &err) : 0;
        Py_END_ALLOW_THREADS
        if (got < 0)
            cl_emit_failed(&err);
        if (got == 0)
            _exit(0); /* the session is over */
    }
}
