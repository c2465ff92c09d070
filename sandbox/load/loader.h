/* SPDX-License-Identifier: Apache-2.0 */
/* What cloche-loader is made of; one of these, in loader.c. */
#ifndef CL_LOAD_LOADER_H
#define CL_LOAD_LOADER_H

#include <stdbool.h>
#include <sys/types.h>

#include "policies/policy.h"
#include "policies/tenant.h"
#include "sandbox/base/wire.h"
#include "sandbox/load/edits.h"
#include "sandbox/load/settings.h"

enum { CL_LOADER_SOURCES_MAX = 60, CL_LOADER_FUNCTIONS_MAX = 512 };

/* A tenant whose functions are files. */
struct cl_loader_tenant {
    struct cl_list node;
    char name[CL_NAME_MAX];
    char path[CL_TENANT_DIR_MAX];
    int place; /* inotify's name of the directory; -1: not watched */
    bool is_stale;
};

struct cl_loader {
    struct cl_loop loop;
    struct cl_watch control;
    struct cl_watch compiler; /* the socket of a policyc that works; -1: none does */
    struct cl_timer late;
    struct cl_edits edits;
    const char *config; /* NULL: the shipped policies only */
    const char *audit;  /* on, required or off */
    int state;          /* the state directory */
    ino_t audit_number; /* of the log in use; 0: not known */
    bool has_loaded;
    char asked[CL_LOADER_SOURCES_MAX][CL_NAME_MAX]; /* "": answered */
    size_t asked_count, made;
    uint32_t unfit;
    struct cl_list loaded, in_force;      /* struct cl_loader_tenant */
    const struct cl_settings_file *begun; /* what the service was started with; NULL: no file */
    struct cl_pair pair_loaded, pair;     /* of tls; `pair` is in force */
    bool is_begun;                        /* something is in force */
};

/* A policy's name: [a-z0-9][a-z0-9_-]{0,62}. */
int cl_sources_check_name(const char *name, size_t length);
/* Opens every source and sends it to the compiler. */
int cl_sources_ask(struct cl_loader *loader, struct cl_err *err);

/* The token of `local` in the state directory, which is made if there is none: a descriptor. */
int cl_sources_open_token(int state, struct cl_err *err);

/* A compiled tenant: its directory is watched once it is in force. */
void cl_functions_add(struct cl_loader *loader, const struct cl_tenant_file *file);
void cl_functions_forget(struct cl_list *tenants, struct cl_edits *edits);
/* Whether something in this place is of interest; remembers it. */
bool cl_functions_on_edit(struct cl_loader *loader, int place);
/* Shows what changed (`all`: everything) to cloched. */
void cl_functions_show(struct cl_loader *loader, bool all);

/* Whether the audit log can be opened, if there is one: a start without is refused. */
int cl_auditlog_check(const struct cl_loader *loader, struct cl_err *err);
/* To a new API: the audit log, or why there is none. */
void cl_auditlog_greet(struct cl_loader *loader);
/* Whether the log was put aside: then the API gets a new one. */
void cl_auditlog_look(struct cl_loader *loader);

/* To cloched, waiting until it reads. */
void cl_loader_tell(enum cl_msg_type type, void *msg, int fd);

#endif
