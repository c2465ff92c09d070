/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What begins every message, and those with which the loader hands files to the API: cloched passes
 * them on unread. Included by wire.h.
 */
#ifndef CL_BASE_HANDED_H
#define CL_BASE_HANDED_H

#include <stdint.h>

enum {
    CL_NAME_MAX = 64, /* a policy's, tenant's, entry's name with its NUL */
};

struct cl_msg {
    uint32_t type;   /* enum cl_msg_type */
    uint32_t length; /* of the whole struct */
};

/* The files of one tenant come one after the other, after LOADED and whenever the directory
 * changed, and end with FUNCTIONS: the set is complete and takes the place of the one before. */
struct cl_msg_function {
    struct cl_msg head;
    char tenant[CL_NAME_MAX];
    char name[CL_NAME_MAX]; /* without ".py"; nothing else is known of it */
};

struct cl_msg_functions {
    struct cl_msg head;
    uint32_t count;   /* of FUNCTION before this; 0 also when the directory can't be read */
    uint32_t refused; /* files that were left out, or 1 for the directory */
    char tenant[CL_NAME_MAX];
    char text[256]; /* why the last one was; "": none was */
};

/* A new API gets TAIL or BEFORE, then LOG; when the log was put aside, any gets NEXT. With a
 * descriptor goes all that the kernel allows, so one that runs gets none of a file with lines. */
enum cl_audit_kind {
    CL_AUDIT_TAIL = 0, /* the fd: the log, for reading */
    CL_AUDIT_BEFORE,   /* the fd: the file before it, for reading; the log is empty */
    CL_AUDIT_LOG,      /* the fd: the log, for appending */
    CL_AUDIT_NEXT,     /* the fd: an empty file, for appending: it is the log from now on */
    CL_AUDIT_NONE,     /* the fd is nothing: none is wanted, or `why` there can't be one */
};

struct cl_msg_audit {
    struct cl_msg head;
    uint32_t kind;        /* enum cl_audit_kind */
    uint32_t is_required; /* no new work while it can't be written */
    char why[256];
};

/* The fd: a sealed memfd of the PEM files, one after the other in this order. */
struct cl_msg_tls {
    struct cl_msg head;
    uint32_t certificate_bytes;
    uint32_t key_bytes;
    uint32_t client_ca_bytes; /* 0: clients are not asked for a certificate */
    uint32_t reserved;
};

#endif
