/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records a fault in a fixed struct, and makes one that came from a weaker process safe to
 * show. Runs in: every process, also between clone3 and exec (no heap, no locks). Trusts:
 * nothing in an error that was received.
 */
#include "sandbox/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { SYS_MOST = 4095 }; /* MAX_ERRNO of the kernel */

static const char *const kind_names[] = {
    [CL_E_NONE] = "none",   [CL_E_INPUT] = "input", [CL_E_DENIED] = "denied",
    [CL_E_LIMIT] = "limit", [CL_E_BUSY] = "busy",   [CL_E_LOST] = "lost",
    [CL_E_SYS] = "sys",
};

/* The end of a path says more than its start. */
static void keep_tail(char *to, size_t size, const char *path)
{
    size_t length = strlen(path);

    if (length >= size)
        path += length - (size - 1);
    snprintf(to, size, "%s", path);
}

/* Appends ": No such file or directory"; strerrordesc_np takes no lock and loads no locale. */
static void append_sys(struct cl_err *err)
{
    const char *words = strerrordesc_np(err->sys);
    size_t used = strlen(err->text);

    if (err->sys == 0)
        return;
    if (words)
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", words);
    else
        snprintf(err->text + used, sizeof(err->text) - used, ": errno %d", err->sys);
}

int cl_err_set(struct cl_err *err, enum cl_err_kind kind, const char *file, int line,
               const char *format, ...)
{
    int saved = errno;
    va_list args;

    memset(err, 0, sizeof(*err));
    err->kind = (uint32_t)kind;
    err->line = (uint32_t)line;
    keep_tail(err->file, sizeof(err->file), file);
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (kind == CL_E_SYS) {
        err->sys = saved;
        append_sys(err);
    }

    errno = saved;
    return -1;
}

int cl_err_context(struct cl_err *err, const char *format, ...)
{
    /* The fault itself matters more than where it was seen: context gets at most half. */
    char context[sizeof(err->text) / 2];
    va_list args;

    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);

    size_t length = strlen(context);
    memmove(err->text + length + 2, err->text, sizeof(err->text) - length - 2);
    memcpy(err->text, context, length);
    memcpy(err->text + length, ": ", 2);
    err->text[sizeof(err->text) - 1] = '\0';
    return -1;
}

void cl_err_distrust(struct cl_err *err)
{
    if (err->kind == CL_E_NONE || err->kind > CL_E_SYS)
        err->kind = CL_E_LOST;
    if (err->sys < 0 || err->sys > SYS_MOST)
        err->sys = 0;
    err->line = 0;
    memset(err->file, 0, sizeof(err->file));
    err->text[sizeof(err->text) - 1] = '\0';

    size_t length = strlen(err->text);
    for (size_t i = 0; i < length; i++) {
        if (err->text[i] < 0x20 || err->text[i] > 0x7e)
            err->text[i] = '?';
    }
    /* Nothing may hide behind the text when the struct is sent on. */
    memset(err->text + length, 0, sizeof(err->text) - length);
}

const char *cl_err_kind_name(uint32_t kind)
{
    return kind < CL_COUNT(kind_names) ? kind_names[kind] : "unknown";
}

_Noreturn void cl_check_failed(const char *expression, const char *file, int line)
{
    cl_log(CL_ERROR, "check.failed", "expression=\"%s\" file=%s line=%d", expression, file,
           line);
    abort();
}
