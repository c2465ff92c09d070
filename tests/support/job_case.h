/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the dispatcher share: jobs without clients, and an ear for their ends. */
#ifndef CL_TESTS_JOB_CASE_H
#define CL_TESTS_JOB_CASE_H

#include "tests/support/unit.h"

#include "tests/support/api_fake.h"

#define JOB_CASE_BODY "{\"source\":\"def main(): pass\"}"

extern struct api_fake fake;
extern union cl_msg_any msg; /* the last one that was expected */
extern bool is_slow;         /* clients do not read */

int job_case_setup(void **state);
int job_case_teardown(void **state);

uint64_t submit(const char *body);
uint64_t submit_other(const char *body); /* as the other tenant */
void expect(uint32_t type);              /* the next message of the API; 0: none */
void expect_heard(const char *wanted);   /* "start 1;done 1 ok;", since the last time */
bool was_heard(const char *part);
void expect_call(int worker); /* it has got a whole call */
void expect_nothing(int worker);
void result(int worker, const char *json);

#endif
