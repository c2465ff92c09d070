/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A method and its parameters, checked as far as routing needs: what is asked for, of which
 * function, with which text. Values and texts of a caller stay the JSON they were. Pure.
 */
#ifndef CL_API_PYTHONV1_PLAN_H
#define CL_API_PYTHONV1_PLAN_H

#include "api/pythonv1/error.h"

enum cl_v1_operation {
    CL_V1_EXECUTE = 0,
    CL_V1_REGISTER,
    CL_V1_UNREGISTER,
    CL_V1_LIST,
    CL_V1_INFO,
    CL_V1_EVAL,
    CL_V1_CODE,
    CL_V1_VALIDATE,
};

enum cl_v1_source { CL_V1_ALL = 0, CL_V1_BUILTIN, CL_V1_FILE, CL_V1_REGISTERED };

/* Views point into the parameters. */
struct cl_v1_plan {
    enum cl_v1_operation operation;
    struct cl_json params;
    struct cl_json shown; /* as the answer repeats it: function, name, expression, file */
    char name[CL_V1_NAME_MAX + 1]; /* execute, info, register, unregister: the function */
    const char *kind;              /* register: "lambda", "module", "source" */
    struct cl_json part[2];        /* register: module and function; text and function */
    struct cl_json text;           /* code, validate, eval: the source, a JSON string */
    char file[CL_V1_NAME_MAX + 1]; /* code, validate: a file instead; its stem */
    char mode[CL_V1_NAME_MAX + 1]; /* code: execution_mode */
    enum cl_v1_source source;      /* list */
    uint32_t timeout_s;            /* code */
    bool overwrite;                /* register */
    bool isolated;                 /* execute */
};

/* `params` is an object, or NONE or null. -1 with the fault of section 3. */
int cl_v1_plan_make(struct cl_v1_plan *plan, const char *method, struct cl_json params,
                    struct cl_v1_fault *fault);

/* The names of the built-in functions, in their order; ended by NULL. */
extern const char *const cl_v1_builtins[];
bool cl_v1_is_builtin(const char *name);

#endif
