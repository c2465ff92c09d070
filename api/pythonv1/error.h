/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of python/v1: code, message, what goes into `data`; and the few shapes of text that all
 * files of the protocol share. Pure.
 */
#ifndef CL_API_PYTHONV1_ERROR_H
#define CL_API_PYTHONV1_ERROR_H

#include "api/pythonv1/pythonv1.h"
#include "sandbox/base/buf.h"

enum { CL_V1_MESSAGE_MAX = 1024, CL_V1_NAME_MAX = 128 };

struct cl_v1_fault {
    int32_t code;        /* 0: none */
    char exception[128]; /* exception_type; "": that of the code */
    char message[CL_V1_MESSAGE_MAX];
    char reason[256];                 /* data.reason, "": none */
    char similar[2 * CL_V1_NAME_MAX]; /* data.similar, "": none */
};

/* Fills code and message. Always returns -1. */
int cl_v1_fail(struct cl_v1_fault *fault, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends {"code","message","data":{"exception_type","retryable",...}}. */
int cl_v1_fault_put(const struct cl_v1_fault *fault, struct cl_buf *out, struct cl_err *err);

/* Name of the exception that stands for a code where nothing better is known. */
const char *cl_v1_exception_of(int32_t code);

/* A JSON string as plain text, cut to fit, control bytes replaced. Returns whether all of it is
 * there as it was. */
bool cl_v1_plain(struct cl_json string, char *text, size_t size);
/* The same of text that is no JSON. */
bool cl_v1_plain_text(const char *from, size_t length, char *text, size_t size);

/* The member of an object, NONE when it has none of that name. */
struct cl_json cl_v1_member(struct cl_json object, const char *name);

#endif
