/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a policy: one row for every key, with its type, range, default and the words of
 * the reference. Whatever is not in the table is refused.
 */
#ifndef CL_POLICIES_TABLE_H
#define CL_POLICIES_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum cl_key_type {
    CL_KEY_SECTION = 1, /* a mapping of keys that have their own rows */
    CL_KEY_COUNT,
    CL_KEY_BYTES,
    CL_KEY_TIME,
    CL_KEY_CORES,
    CL_KEY_BOOL,
    CL_KEY_WORD, /* one of `words`; the value is its index */
    CL_KEY_TEXT,
    CL_KEY_PARENT,  /* the name of a policy */
    CL_KEY_LIST,    /* of `item`; also +[..], -[..], {add: [..], remove: [..]} */
    CL_KEY_PRELOAD, /* all, none, or as CL_KEY_LIST */
    CL_KEY_NAMES,   /* mapping: module to a list of names, or `all` */
    CL_KEY_BINDS,   /* list of {source, target} */
    CL_KEY_REASONS, /* mapping: key.path.item to text */
    /* of tenants only */
    CL_KEY_NAMED,     /* mapping: name to a mapping of keys that have their own rows */
    CL_KEY_POLICIES,  /* list of names of policies, the first one special */
    CL_KEY_ENTRIES,   /* list of mappings of keys that have their own rows */
    CL_KEY_NAME,      /* as a policy's name */
    CL_KEY_HASH,      /* b2: and 64 digits */
    CL_KEY_RATE,      /* a number in a window: 50/s */
    CL_KEY_TIME_RATE, /* a time in a window: 600s/m */
    CL_KEY_DIR,       /* an absolute path */
    CL_KEY_PRINT,     /* sha256: and 64 digits */
    /* of cloche.yaml only */
    CL_KEY_ADDRESS, /* 127.0.0.1:8420 */
    CL_KEY_KEEP,    /* a time and a number: 168h,100000 */
    CL_KEY_STORE,   /* two sizes: 16Gi,4Gi */
};

enum cl_item_kind { CL_ITEM_MODULE = 1, CL_ITEM_IDENTIFIER, CL_ITEM_TIER, CL_ITEM_SYSCALL };

struct cl_key {
    const char *path;
    enum cl_key_type type;
    enum cl_item_kind item;
    size_t at;            /* offset of the uint64_t or struct cl_items in struct cl_spec */
    uint64_t least, most; /* of a number */
    const char *words;    /* what a word or list item may be, space between */
    const char *fallback; /* as it would be written; list items with spaces between */
    const char *idle;     /* said when it is given another value: nothing heeds it yet */
    const char *later;    /* said when anything else is asked for: it cannot be enforced yet */
    const char *doc;
};

extern const struct cl_key cl_table[];
extern const size_t cl_table_count;

/* The row of a whole path ("limits.wall"), or NULL. */
const struct cl_key *cl_table_find(const char *path);
size_t cl_table_index(const struct cl_key *key);

/* The last part of a row's path. */
const char *cl_table_word(const struct cl_key *key);

#endif
