/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 2 of the schema: a workflow knows the trace that it belongs to.
 * Runs in: cloche-api, once per store.
 * Trusts: -
 */
#include "api/store/schema.h"

const char *const cl_store_step_2[] = {
    "ALTER TABLE workflow ADD COLUMN trace TEXT NOT NULL DEFAULT '';",
    NULL,
};
