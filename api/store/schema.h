/* SPDX-License-Identifier: Apache-2.0 */
/* The steps that make a database of any older Cloche one of this (docs/store.md). */
#ifndef CL_API_STORE_SCHEMA_H
#define CL_API_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stddef.h>

#include "sandbox/base/err.h"

/* Each a list of statements, ended by NULL; step n makes version n of version n - 1. Released
 * steps never change. */
extern const char *const cl_store_step_1[];
extern const char *const cl_store_step_2[];
extern const char *const *const cl_store_steps[];
extern const size_t cl_store_step_count;

/* Brings a database to version `count`, each step in a transaction of its own. CL_E_INPUT when
 * it is newer, or was made by something else. */
int cl_store_migrate(sqlite3 *db, const char *const *const *steps, size_t count,
                     struct cl_err *err);

#endif
