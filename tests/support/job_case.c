/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs without clients.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/job_case.h"

#include <stdio.h>
#include <string.h>

struct api_fake fake;
union cl_msg_any msg;
static char heard[1024]; /* what became of jobs */
bool is_slow;

__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...)
{
    const size_t at = strlen(heard);
    va_list args;

    va_start(args, format);
    vsnprintf(heard + at, sizeof(heard) - at, format, args);
    va_end(args);
}

static void on_start(void *self, struct cl_job *job)
{
    (void)self;
    hear("start %d;", (int)job->id);
}

static bool on_progress(void *self, struct cl_job *job)
{
    (void)self;
    (void)job;
    return !is_slow;
}

static void on_refused(void *self, struct cl_job *job, const struct cl_refusal *why)
{
    (void)self;
    hear("refused %d %s;", (int)job->id, cl_refusal_row(why->kind)->slug);
    assert_true(why->retry_after_s > 0);
}

static void on_done(void *self, struct cl_job *job, const struct cl_verdict *verdict)
{
    (void)self;
    hear("done %d %s;", (int)job->id, cl_verdict_name(verdict->kind));
}

static const struct cl_dispatch_calls calls = { on_start, on_progress, on_refused, on_done };

static const struct cl_dispatch_caps small = {
    .queue_pool = 3, .queue_all = 4, .queue_bytes = 4096, .queue_ms = 50
};

int job_case_setup(void **state)
{
    (void)state;
    heard[0] = '\0';
    is_slow = false;
    api_fake_init(&fake, &small, &calls, NULL);
    return 0;
}

int job_case_teardown(void **state)
{
    (void)state;
    api_fake_fini(&fake);
    return 0;
}

static struct cl_job *job_of(const char *body, uint32_t index)
{
    static struct cl_exchange *const somebody = (struct cl_exchange *)(void *)heard;
    struct cl_pool *pool = cl_tenancy_pool(fake.app.tenancy, index);
    struct cl_request request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_job *job;

    assert_int_equal(cl_request_parse(&request, body, strlen(body), &refusal), 0);
    assert_int_equal(cl_request_seal(&request, pool->policy, 0, &refusal), 0);
    job = cl_job_new(fake.app.dispatch, pool, &request, 0, CL_REPLY_PLAIN);
    job->exchange = somebody; /* never looked at here */
    return job;
}

uint64_t submit(const char *body)
{
    return cl_dispatch_submit(fake.app.dispatch, job_of(body, API_FAKE_POOL));
}

uint64_t submit_other(const char *body)
{
    return cl_dispatch_submit(fake.app.dispatch, job_of(body, API_FAKE_OTHER_POOL));
}

void expect(uint32_t type)
{
    const uint32_t got = api_fake_hear(&fake, &msg);

    if (got != type)
        fail_msg("%s instead of %s", got ? cl_msg_name(got) : "nothing",
                 type ? cl_msg_name(type) : "nothing");
}

void expect_heard(const char *wanted)
{
    assert_string_equal(heard, wanted);
    heard[0] = '\0';
}

/* All that a worker has got, which must be a whole call. */
void expect_call(int worker)
{
    static uint8_t bytes[1 << 20];
    const size_t length = api_fake_read(worker, bytes, sizeof(bytes));
    struct cl_frame last;

    assert_true(length > sizeof(last));
    memcpy(&last, bytes + length - sizeof(last), sizeof(last));
    assert_int_equal(last.type, CL_F_GO);
}

void expect_nothing(int worker)
{
    uint8_t byte;

    assert_int_equal(api_fake_read(worker, &byte, 1), 0);
}

void result(int worker, const char *json)
{
    api_fake_frame(&fake, worker, CL_F_RESULT, json, strlen(json));
}

bool was_heard(const char *part)
{
    return strstr(heard, part) != NULL;
}
