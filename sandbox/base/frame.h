/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on the job socket (AF_UNIX SOCK_STREAM), API <-> worker: an 8 byte head, then bytes.
 * docs/protocol.md tells the order in which they may come. Included by wire.h.
 */
#ifndef CL_BASE_FRAME_H
#define CL_BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

enum {
    CL_FRAME_MAGIC = 0x4c43,     /* "CL" */
    CL_FRAME_MAGIC_OF = 0x4f43,  /* "CO": a frame of a session, with the number of its call */
    CL_FRAME_IN_MAX = 16 << 20,  /* most bytes of one frame API -> worker */
    CL_FRAME_OUT_MAX = 16 << 20, /* most bytes of one frame worker -> API */
    CL_FRAME_OUTPUT_MAX = 64 << 10, /* most bytes of one STDOUT or STDERR frame */
    CL_FRAME_LOG_MAX = 512,         /* most bytes of one log text */
    CL_FRAME_NAME_MAX = 4 << 10,    /* most bytes of one ENTRY or ARTIFACT */
    CL_FRAME_ENV_MAX = 128 << 10,   /* most bytes of one NAME=value */
    CL_FRAME_TEXTS_MAX = 256 << 10, /* most bytes of the texts of one ERROR, DENIED, LIMIT */
    CL_FRAME_PROBE_PATH = 512,      /* room for the path of a PROBE */
    CL_FRAME_MODULE_NAME = 64,      /* most bytes of a MODULE's name */
    CL_JOB_FD = 3,                  /* the worker's only socket */
    CL_DEPTH_MAX = 64,              /* nesting of any JSON value that crosses a border */
};

struct cl_frame {
    uint16_t magic;  /* CL_FRAME_MAGIC */
    uint16_t type;   /* enum cl_frame_type */
    uint32_t length; /* bytes that follow */
};

_Static_assert(sizeof(struct cl_frame) == 8, "frame head");

/* From a worker that stays for a session: to which of its calls the frame belongs. */
struct cl_frame_of {
    struct cl_frame head; /* CL_FRAME_MAGIC_OF */
    uint32_t call;        /* never 0, never used again */
};

_Static_assert(sizeof(struct cl_frame_of) == 12, "numbered frame head");

enum cl_frame_type {
    /* API -> worker: CALL first, GO last, the rest in any order at most once unless noted */
    CL_F_CALL = 1,     /* struct cl_frame_call */
    CL_F_SOURCE = 2,   /* Python source, UTF-8 */
    CL_F_ENTRY = 3,    /* dotted name of the function, UTF-8 */
    CL_F_ARGS = 4,     /* JSON array, already validated */
    CL_F_KWARGS = 5,   /* JSON object, already validated */
    CL_F_STDIN = 6,    /* UTF-8 */
    CL_F_FILE = 7,     /* many: struct cl_frame_file, path, content */
    CL_F_ARTIFACT = 8, /* many: a glob below the working folder, UTF-8 */
    CL_F_ENV = 9,      /* many: NAME=value */
    CL_F_GO = 10,      /* empty: start */
    CL_F_PROBE = 11,   /* the self-test instead of a call: struct cl_frame_probe */
    CL_F_MODULE = 12,  /* many: struct cl_frame_module, name, source, marshalled code */
    CL_F_NUMBER =
        13, /* struct cl_frame_number: before each CALL of a session, and only there */

    /* worker -> API */
    CL_F_READY = 64,    /* empty, once, first: the jail is complete and the worker is parked */
    CL_F_STDOUT = 65,   /* bytes */
    CL_F_STDERR = 66,   /* bytes */
    CL_F_LOG = 67,      /* struct cl_frame_log, text */
    CL_F_PROGRESS = 68, /* JSON object {"value", "total", "message"} */
    CL_F_ITEM = 69,     /* JSON value: one yield of a generator */
    CL_F_FILE_OUT = 70, /* struct cl_frame_file, path, content: one artifact */
    CL_F_PROBED = 71,   /* struct cl_frame_probed: answer to PROBE */
    /* exactly one of these ends the conversation; nothing may follow */
    CL_F_RESULT = 80, /* JSON value */
    CL_F_ERROR = 81,  /* struct cl_frame_error, then its texts */
    CL_F_DENIED = 82, /* struct cl_frame_denied, then its texts */
    CL_F_LIMIT = 83,  /* struct cl_frame_limit: a limit that the worker itself keeps */
    CL_F_FAILED = 84, /* struct cl_err: the worker could not serve (our fault: verdict lost) */
};

enum cl_call_flags {
    CL_CALL_STREAM = 1 << 0,   /* send items and output at once */
    CL_CALL_EVAL = 1 << 1,     /* SOURCE is one restricted expression, KWARGS its context */
    CL_CALL_FUNCTION = 1 << 2, /* no SOURCE: ENTRY is module.name, a MODULE has that module */
    CL_CALL_INSPECT = 1 << 3,  /* SOURCE is read, never run; ENTRY is the module's name */
    CL_CALL_V1 = 1 << 4,       /* ENTRY names an operation of python/v1; runtime/v1.h */
    CL_CALL_SESSION = 1 << 5,  /* the worker stays for more calls; NUMBER came before */
};

struct cl_frame_call {
    uint32_t flags; /* enum cl_call_flags */
    uint32_t depth; /* deepest result, at most CL_DEPTH_MAX */
    uint64_t output_bytes;
    uint64_t result_bytes;
    uint64_t files_bytes;
};

struct cl_frame_number {
    uint32_t call; /* what the frames of its answer carry; more than that of the call before */
};

struct cl_frame_file {
    uint32_t path_length; /* path, then content, follow */
    uint32_t mode;        /* 0 */
};

/* A module that the call may import, under its name. The code is what an INSPECT of the same source
 * answered; it may be empty, and one that this interpreter can't read is made again. */
struct cl_frame_module {
    uint32_t name_length; /* 1 to CL_FRAME_MODULE_NAME */
    uint32_t source_length;
    uint32_t code_length;
};

struct cl_frame_log {
    uint32_t level; /* enum cl_log_level */
};

/* Texts follow in the order of the lengths; all UTF-8, none terminated. */
struct cl_frame_error {
    int32_t line;   /* in the caller's source, 0 when unknown */
    int32_t column; /* 1-based, 0 when unknown */
    uint32_t type_length;
    uint32_t message_length;
    uint32_t traceback_length;
};

struct cl_frame_denied {
    int32_t line;
    int32_t column;
    uint32_t rule_length; /* "modules", "eval.attribute", "syscall", "network", "files", ... */
    uint32_t name_length; /* what was asked for: "socket" */
    uint32_t message_length;
};

enum cl_limit {
    CL_LIMIT_NONE = 0,
    CL_LIMIT_WALL,      /* ms */
    CL_LIMIT_CPU,       /* ms */
    CL_LIMIT_MEMORY,    /* bytes */
    CL_LIMIT_PROCESSES, /* count */
    CL_LIMIT_OUTPUT,    /* bytes */
    CL_LIMIT_RESULT,    /* bytes */
    CL_LIMIT_FILES,     /* bytes */
    CL_LIMIT_DEPTH,     /* levels */
    CL_LIMIT_COUNT_
};

/* The rest of the frame is a text that says what was asked for; it may be empty. */
struct cl_frame_limit {
    uint32_t limit; /* enum cl_limit */
    int32_t line;   /* in the caller's source, 0 when unknown */
    uint64_t value; /* the limit; 0, or more than is in force: the one that is in force */
    uint64_t used;  /* what was asked for, 0 when unknown */
    int32_t column; /* 1-based, 0 when unknown */
    uint32_t reserved;
};

enum cl_probe_kind {
    CL_PROBE_SYSCALL =
        1,             /* make `number` with `args`; the errno comes back, or the worker dies */
    CL_PROBE_JAIL = 2, /* fill struct cl_frame_probed with what the worker sees of itself */
    CL_PROBE_PATH = 3, /* as SYSCALL, the second argument is the path */
};

struct cl_frame_probe {
    uint32_t kind;
    uint32_t number;
    uint64_t args[6];
    char path[CL_FRAME_PROBE_PATH]; /* terminated */
};

struct cl_frame_probed {
    int32_t sys;  /* errno of the call, 0 if it succeeded */
    int32_t pid;  /* getpid() inside: 1 */
    uint32_t uid; /* inside the user namespace */
    uint32_t gid;
    uint32_t fd_count;     /* open descriptors below 64 */
    uint32_t no_new_privs; /* as kept at the entry of the jail */
    uint64_t caps;         /* effective | permitted | inheritable, read at the entry */
};

/* A numbered head, checked the same way. */
int cl_frame_check_of(const struct cl_frame_of *of, struct cl_err *err);

/* Fills a head; cl_frame_check refuses a wrong magic, a type that `from_worker` may not send, a
 * length under that type's fixed part or over its cap (CL_E_LOST). Making a frame of an unknown
 * type or over its cap is a bug of the sender. */
struct cl_frame cl_frame_make(enum cl_frame_type type, size_t length);
int cl_frame_check(const struct cl_frame *frame, bool from_worker, struct cl_err *err);
bool cl_frame_is_final(uint32_t type);
const char *cl_limit_name(uint32_t limit); /* "wall", ...; NULL for an unknown one */
const char *cl_limit_unit(uint32_t limit); /* "ms", "bytes", "count", "levels" */

#endif
