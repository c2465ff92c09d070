/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One generation of policies and tenants: cloche-loader opens the admin's files and has policyc
 * compile them; here the outcome is put in force, all at once or not at all.
 */
#ifndef CL_LOAD_H
#define CL_LOAD_H

#include <stdbool.h>

#include "sandbox/brood.h"
#include "sandbox/peer.h"
#include "sandbox/tenant.h"

enum { CL_LOAD_POLICIES_MAX = 60 };

struct cl_load {
    struct cl_daemon *daemon;
    struct cl_peer loader;
    struct cl_peer compiler; /* policyc; it talks with the loader */
    struct cl_timer late;
    struct cl_retry restart; /* of the loader */
    /* Of the generation on its way: */
    struct cl_ruling *rulings[CL_LOAD_POLICIES_MAX];
    size_t count;
    struct cl_list tenants; /* `local` first */
    uint32_t tenant_count;
    struct cl_msg_problem problem; /* the first of them */
    bool is_loading;
    bool is_again; /* another reload was asked for meanwhile */
};

/* Starts the loader, and the first load. */
int cl_load_open(struct cl_daemon *daemon, struct cl_err *err);
/* Starts; the outcome comes through the loop. A generation that is refused stops a starting
 * cloched and leaves a running one as it is. A second start while one runs is remembered. */
void cl_load_start(struct cl_daemon *daemon);
/* A message to the loader; fd -1: none goes along. Harmless while there is no loader. */
void cl_load_tell(struct cl_daemon *daemon, enum cl_msg_type type, int fd);
/* Whether the loader may say more now: what it shows waits for the API to read. */
void cl_load_pace(struct cl_daemon *daemon, bool may_talk);

#endif
