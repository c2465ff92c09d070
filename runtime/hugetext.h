/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter's code and constants on huge pages of the zygote's own. A file mapping is not
 * copied by a clone: each worker would fault its pages in again, sixteen at a time, and take them
 * out again at its end. Anonymous huge pages are shared by copying one entry per 2 MiB.
 */
#ifndef CL_RUNTIME_HUGETEXT_H
#define CL_RUNTIME_HUGETEXT_H

#include "sandbox/base/err.h"

/* Replaces the 2 MiB blocks of libpython that hold no writable byte by copies of themselves,
 * readable and executable (what was only readable becomes executable; nothing becomes writable).
 * Once, while there is one thread. A host without huge pages gets ordinary ones. */
int cl_hugetext_remap(struct cl_err *err);

#endif
