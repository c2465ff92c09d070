/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap that clones share. A worker's allocations would fill the holes that starting up has
 * left all over it and so copy many pages for a few bytes each; the zygote fills them before.
 */
#ifndef CL_RUNTIME_HEAP_H
#define CL_RUNTIME_HEAP_H

/* Takes every free block below the tops of both allocators, for ever. Once, before cloning. */
void cl_heap_fill_holes(void);

#endif
