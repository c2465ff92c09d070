/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers behind the rows of the schema: read, written, described. */
#ifndef CL_POLICIES_VALUE_H
#define CL_POLICIES_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "policies/table.h"

/* The types with a number behind them: text to value and back; -1 for a text that is none. */
int cl_value_parse(const struct cl_key *key, const char *text, uint64_t *value);
void cl_value_format(const struct cl_key *key, uint64_t value, char *text, size_t size);
/* "a size such as 64Mi, 1 to 16Mi": what a value of this row looks like. */
void cl_value_expects(const struct cl_key *key, char *text, size_t size);

/* Index of `word` in a list of words with spaces between; -1 when it is not there. */
int cl_value_word_index(const char *words, const char *word);

#endif
