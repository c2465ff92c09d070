/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The query of a request, read strictly: names that are known, each once, values percent-decoded
 * ('+' is a space) to UTF-8 without control characters. Pure.
 */
#ifndef CL_API_QUERY_H
#define CL_API_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/refusal.h"

enum { CL_QUERY_VALUE_MAX = 512 };

struct cl_query {
    const char *name; /* filled by the caller; the rest by parse */
    bool is_given;
    char value[CL_QUERY_VALUE_MAX]; /* decoded, terminated; "" when absent */
};

/* `query` is what follows '?', raw, "" when there is none. -1 with a 400 that names the mistake
 * and, for a name that is not in `known`, those that are. */
int cl_query_parse(const char *query, struct cl_query *known, size_t count,
                   struct cl_refusal *refusal);

/* A whole number from `least` to `most`; *number stays as it is when it was not given. */
int cl_query_u64(const struct cl_query *query, uint64_t least, uint64_t most, uint64_t *number,
                 struct cl_refusal *refusal);
/* "0" or "1". */
int cl_query_flag(const struct cl_query *query, bool *flag, struct cl_refusal *refusal);
/* A time such as "30s", at most `most_ms`. */
int cl_query_ms(const struct cl_query *query, uint64_t most_ms, uint64_t *ms,
                struct cl_refusal *refusal);
/* One of `words` (ended by NULL): *place in it. */
int cl_query_word(const struct cl_query *query, const char *const *words, int *place,
                  struct cl_refusal *refusal);

#endif
