/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, for tests. */
#ifndef CL_TESTS_STORE_CASE_H
#define CL_TESTS_STORE_CASE_H

#include <stdio.h>

#include "api/store.h"
#include "tests/support/unit.h"

struct store_case {
    char path[64];
    int dir;
    struct cl_store_caps caps;
    struct cl_store *store;
    struct cl_err err;
};

/* cmocka's set-up and tear-down; *state is a struct store_case. The store is open. */
int store_case_open(void **state);
int store_case_close(void **state);

/* Closes and opens it again, as another process would. */
void store_case_again(struct store_case *at);

/* A directory with everything in it. */
void store_case_make_dir(char path[64], int *dir);
void store_case_remove_dir(const char *path);
void store_case_copy(const char *from, const char *to);

struct cl_blob store_case_blob(const char *text);
bool store_case_is(struct cl_blob blob, const char *text);

/* "01" and `number`, 26 digits: ids that sort by it. */
const char *store_case_id(char text[CL_ULID_SIZE], unsigned number);
struct cl_store_call store_case_call(const char *tenant, const char *id);

#endif
