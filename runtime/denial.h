/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals as Python exceptions. A refusal that the caller's code catches is only an exception; one
 * that ends the call makes the verdict `denied`. Which it was travels on the exception itself.
 */
#ifndef CL_RUNTIME_DENIAL_H
#define CL_RUNTIME_DENIAL_H

#include "runtime/pyref.h"

void cl_denial_open(const char *policy_name); /* borrowed, lives as long as the process */

/* From here on a refused module is told in python/v1's words: "Module X not allowed". */
void cl_denial_speak_v1(void);

/* Raises `type` with "<what> is not allowed by policy '<name>'". `rule` is a string literal, `name`
 * is what was asked for. Always returns -1. */
int cl_denial_raise(PyObject *type, const char *rule, PyObject *name, const char *what_format,
                    ...);

/* The rule behind an exception, NULL when it is an ordinary one; *name is owned by the caller. */
const char *cl_denial_rule(PyObject *exception, PyObject **name);

#endif
