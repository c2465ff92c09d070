/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cloche-api gives up before it reads a caller's first byte. It is already a uid of its
 * own without capabilities; from here on it can start no program, touch no process and open no
 * file but in the directory of its store.
 */
#ifndef CL_API_CONFINE_H
#define CL_API_CONFINE_H

#include "sandbox/base/err.h"

/* In this order, the store thread is started in between: files are given up by the thread that
 * asks and by those it starts later, calls by all threads that there are. `store` is the
 * descriptor of the store's directory, -1: none. `audit` is that of the audit log: nothing can be
 * done to it but to write at its end, and to put another one in its place. */
/* The memory of this process is for nobody to read: no core, no tracer of its uid. */
int cl_confine_memory(struct cl_err *err);
int cl_confine_files(int store, struct cl_err *err);
int cl_confine_calls(int store, int audit, struct cl_err *err);

#endif
