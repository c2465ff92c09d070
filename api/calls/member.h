/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools of the files that read a call's body (request.c, request_files.c, request_limits.c):
 * the members of an object by table, and frames written in place.
 */
#ifndef CL_API_MEMBER_H
#define CL_API_MEMBER_H

#include <sys/types.h>

#include "api/calls/request.h"
#include "api/json/scan.h"

struct cl_member_parse {
    struct cl_request *request;
    struct cl_refusal *refusal;
    struct cl_json source; /* members that are only looked at when all are known */
    struct cl_json entry;
    struct cl_json version;
    bool is_by_path; /* the path names the function */
};

struct cl_member {
    const char *key;
    enum cl_json_kind kind; /* what the value must be; CL_JSON_NONE: the reader decides */
    int (*read)(struct cl_member_parse *parse, struct cl_json value);
};

enum { CL_MEMBERS_MAX = 16 };

/* Reads every member by its row. A key without row is refused and the nearest one named. The
 * refusal's pointer ends at the member while its reader runs. */
int cl_member_walk(struct cl_member_parse *parse, struct cl_json object,
                   const struct cl_member *table, size_t count);

/* Refuses at the present pointer. Always -1. */
int cl_member_malformed(struct cl_member_parse *parse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What went wrong while it was taken over: malformed, or that there was no memory for it. -1. */
int cl_member_failed(struct cl_member_parse *parse, const struct cl_err *err);

/* A frame whose length is known when it ends. open returns where it begins, or -1. */
ssize_t cl_member_open(struct cl_member_parse *parse, enum cl_frame_type type);
int cl_member_close(struct cl_member_parse *parse, ssize_t start, enum cl_frame_type type);
/* A whole frame of bytes that are ready, or of one unescaped JSON string. */
int cl_member_put(struct cl_member_parse *parse, enum cl_frame_type type, struct cl_json value);
int cl_member_put_text(struct cl_member_parse *parse, enum cl_frame_type type,
                       struct cl_json value);

/* Unescapes a short string. -1 (refused) when it has `size` bytes or more, or a NUL. */
int cl_member_short(struct cl_member_parse *parse, struct cl_json value, char *text,
                    size_t size);

/* The whole body: opens the CALL frame, then reads every member. */
int cl_member_body(struct cl_member_parse *parse, const char *text, size_t length,
                   const struct cl_member *table, size_t count);

/* Members that calls of every kind have. */
int cl_member_policy(struct cl_member_parse *parse, struct cl_json value);
int cl_member_files(struct cl_member_parse *parse, struct cl_json value);
int cl_member_artifacts(struct cl_member_parse *parse, struct cl_json value);
int cl_member_limits(struct cl_member_parse *parse, struct cl_json value);

#endif
