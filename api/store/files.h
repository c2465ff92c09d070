/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long values as files beside the database, named by their SHA-256, counted by the rows that
 * hold them (the triggers of schema.c). A file is on the disk before the transaction that
 * names it is, and goes after the transaction that let it go: what can be left over by a crash
 * is a file without a row, never a row without a file.
 */
#ifndef CL_API_STORE_FILES_H
#define CL_API_STORE_FILES_H

#include "api/store/sql.h"

/* Writes the value, unless it is there already, and gives the row that names it. */
int cl_store_file_put(struct cl_store *store, struct cl_blob blob, int64_t *id,
                      struct cl_err *err);
/* The value, which the caller frees. CL_E_LOST when it is gone or not what was written. */
int cl_store_file_get(struct cl_store *store, int64_t id, void **bytes, size_t *length,
                      struct cl_err *err);

/* Inside a transaction: forgets some files that no row holds. Returns how many. */
int cl_store_files_forget(struct cl_store *store, unsigned limit, struct cl_err *err);
/* After a transaction, however it ended: removes what was touched and is named by no row. */
void cl_store_files_settle(struct cl_store *store);

/* At the start: removes what a crash left over. */
int cl_store_files_sweep(struct cl_store *store, struct cl_err *err);

#endif
