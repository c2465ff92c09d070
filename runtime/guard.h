/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the Python guard is in this build: views of modules, the guarded __import__ and builtins,
 * the audit hook. `make GUARD=off` leaves it out, to measure what it costs and to see what the kernel
 * jail holds alone; such a build is never installed and says so in `cloche version`.
 */
#ifndef CL_RUNTIME_GUARD_H
#define CL_RUNTIME_GUARD_H

#ifdef CL_NO_GUARD
enum { CL_GUARD = 0 };
#else
enum { CL_GUARD = 1 };
#endif

#endif
