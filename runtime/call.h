/* SPDX-License-Identifier: Apache-2.0 */
/* One call as the worker received it (frames CALL .. GO). Owned by worker.c, freed by _exit. */
#ifndef CL_RUNTIME_CALL_H
#define CL_RUNTIME_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/wire.h"

struct cl_bytes {
    const char *bytes; /* NULL when the frame did not come; else terminated one past the end */
    size_t length;
};

enum {
    CL_CALL_FILES_MAX = 256,
    CL_CALL_ARTIFACTS_MAX = 64,
    CL_CALL_ENV_MAX = 64,
    CL_CALL_MODULES_MAX = 1024,
};

struct cl_call {
    struct cl_frame_call head;
    uint32_t number; /* in its session; 0: there is none */
    struct cl_bytes source;
    struct cl_bytes entry;
    struct cl_bytes args;
    struct cl_bytes kwargs;
    struct cl_bytes stdin_text;
    /* Here, where every call looks: of most calls the pages of the arrays stay untouched. */
    size_t file_count, artifact_count, env_count, module_count;
    struct cl_bytes file_path[CL_CALL_FILES_MAX];
    struct cl_bytes file_content[CL_CALL_FILES_MAX];
    struct cl_bytes artifact[CL_CALL_ARTIFACTS_MAX];
    struct cl_bytes env[CL_CALL_ENV_MAX];
    struct cl_bytes module_name[CL_CALL_MODULES_MAX];
    struct cl_bytes module_source[CL_CALL_MODULES_MAX];
    struct cl_bytes module_code[CL_CALL_MODULES_MAX];
};

#endif
