/* SPDX-License-Identifier: Apache-2.0 */
/* What of this host matters to a jail: one row per fact, each with advice when it could be better. */
#ifndef CL_CLI_FACTS_H
#define CL_CLI_FACTS_H

#include <stddef.h>

enum cl_fact_level {
    CL_FACT_OK,
    CL_FACT_NOTE, /* works; could be safer or faster */
    CL_FACT_FAIL, /* Cloche can't run like this */
};

struct cl_fact {
    enum cl_fact_level level;
    char seen[160];
    const char *advice; /* NULL when there is none */
};

struct cl_fact_row {
    const char *name;
    void (*look)(struct cl_fact *fact);
};

extern const struct cl_fact_row cl_fact_rows[];
extern const size_t cl_fact_count;

const char *cl_fact_level_name(enum cl_fact_level level);

/* Fills a fact; for the files that hold the rows. */
void cl_fact_set(struct cl_fact *fact, enum cl_fact_level level, const char *advice,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* First line of a small file; -1 when it can't be read. */
int cl_fact_line(const char *path, char *text, size_t size);

void cl_fact_libraries(struct cl_fact *fact);
void cl_fact_python(struct cl_fact *fact);
void cl_fact_programs(struct cl_fact *fact);

#endif
