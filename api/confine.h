/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cloche-api gives up before it reads a caller's first byte. It is already a uid of its
 * own without capabilities; from here on it can open no file, start no program and touch no
 * process.
 */
#ifndef CL_API_CONFINE_H
#define CL_API_CONFINE_H

#include "sandbox/base/err.h"

int cl_confine(struct cl_err *err);

#endif
