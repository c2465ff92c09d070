/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One generation of policies: opens the admin's files, has cloche-policyc compile them, and puts
 * them in force all at once or not at all.
 */
#ifndef CL_LOAD_H
#define CL_LOAD_H

#include <stddef.h>

struct cl_daemon;

/* Starts; the outcome comes through the loop. A generation that is refused stops a starting
 * cloched and leaves a running one as it is. A second start while one runs is remembered. */
void cl_load_start(struct cl_daemon *daemon);

/* A policy's name: [a-z0-9][a-z0-9_-]{0,62}. */
int cl_load_check_name(const char *name, size_t length);

#endif
