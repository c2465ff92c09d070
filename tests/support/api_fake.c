/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cloched and workers, played by a test.
 * Runs in: tests only.
 * Trusts: -
 */
#define _GNU_SOURCE 1
#include "tests/support/api_fake.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "api/dispatch/jailclient.h"
#include "api/errand.h"
#include "api/sessions/session.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

#define MUST(call)                                                                             \
    do {                                                                                       \
        if ((call) < 0) {                                                                      \
            cl_log(CL_ERROR, "test", "%s: %s", #call, err.text);                               \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

static void on_spare(void *self, const struct cl_msg_offer *msg, int *fd)
{
    cl_dispatch_on_spare(((struct cl_app *)self)->dispatch, msg, fd);
}

static void on_taken(void *self, uint64_t spare)
{
    cl_dispatch_on_taken(((struct cl_app *)self)->dispatch, spare);
}

static void on_end(void *self, const struct cl_msg_end *msg)
{
    cl_dispatch_on_end(((struct cl_app *)self)->dispatch, msg);
}

static void on_usage(void *self, const struct cl_msg_usage *msg)
{
    cl_dispatch_on_usage(((struct cl_app *)self)->dispatch, msg);
}

static void on_retire(void *self, uint64_t spare)
{
    cl_dispatch_on_retire(((struct cl_app *)self)->dispatch, spare);
}

static void on_lost(void *self, const struct cl_err *why)
{
    (void)self;
    (void)why;
    abort();
}

static const struct cl_jailclient_calls jail_calls = {
    .on_spare = on_spare,
    .on_taken = on_taken,
    .on_end = on_end,
    .on_usage = on_usage,
    .on_retire = on_retire,
    .on_lost = on_lost,
};

static int file_of(const void *bytes, size_t length)
{
    const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CL_CHECK(fd >= 0 && pwrite(fd, bytes, length, 0) == (ssize_t)length);
    CL_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ==
             0);
    return fd;
}

static void tell_tenant(struct api_fake *fake, uint32_t tenant, const char *name,
                        const char *token, uint32_t pool)
{
    const uint32_t generation = fake->generation;
    struct cl_msg_tenant told = { .tenant = tenant, .generation = generation };
    struct cl_msg_policy policy = { .pool = pool, .generation = generation, .tenant = tenant };
    cl_close_auto int file = file_of(token, strlen(token));
    cl_close_auto int compiled = file_of(&fake->sample, sizeof(fake->sample));
    struct cl_err err = CL_ERR_INIT;

    memcpy(told.name, name, strlen(name));
    memcpy(policy.name, fake->sample.head.name, sizeof(policy.name));
    MUST(cl_tenancy_on_tenant(fake->app.tenancy, &told, file, &err));
    MUST(cl_tenancy_on_policy(fake->app.tenancy, &policy, compiled, &err));
}

void api_fake_load(struct api_fake *fake, uint32_t generation)
{
    const struct cl_msg_loaded loaded = { .generation = generation, .policies = 2 };
    struct cl_err err = CL_ERR_INIT;

    fake->generation = generation;
    tell_tenant(fake, 2, "local", API_FAKE_TOKEN "\n", fake->pool);
    tell_tenant(fake, 5, "other", API_FAKE_TOKEN "-other\n", API_FAKE_OTHER_POOL);
    MUST(cl_tenancy_on_loaded(fake->app.tenancy, &loaded, cl_dispatch_on_change,
                              fake->app.dispatch, &err));
}

void api_fake_init(struct api_fake *fake, const struct cl_dispatch_caps *caps,
                   const struct cl_dispatch_calls *calls, void *self)
{
    struct cl_app *app = &fake->app;
    union cl_msg_any hello;
    int pair[2];
    struct cl_err err = CL_ERR_INIT;

    memset(fake, 0, sizeof(*fake));
    cl_log_open("test", CL_ERROR);
    CL_CHECK(sodium_init() >= 0);
    MUST(cl_fdpass_pair(SOCK_SEQPACKET, pair, &err));
    fake->cloched = pair[1];
    CL_CHECK(evutil_make_socket_nonblocking(pair[1]) == 0);
    policy_sample_init(&fake->sample);
    fake->pool = API_FAKE_POOL;
    app->base = event_base_new();
    cl_auth_init(&app->auth);
    app->tenancy = cl_tenancy_new();
    app->modules = cl_modules_new(app);
    app->dispatch =
        cl_dispatch_new(app->base, app->tenancy, caps ? caps : &cl_dispatch_caps_default, calls,
                        self ? self : app);
    app->client = cl_jailclient_new(app->base, pair[0], &jail_calls, app, &err);
    CL_CHECK(app->client);
    cl_dispatch_set_client(app->dispatch, app->client);
    CL_CHECK(api_fake_hear(fake, &hello) == CL_M_HELLO);
    api_fake_load(fake, 1);
}

void api_fake_fini(struct api_fake *fake)
{
    cl_errands_free(&fake->app);
    cl_modules_free(fake->app.modules);
    cl_dispatch_free(fake->app.dispatch);
    cl_sessions_free(&fake->app);
    cl_jailclient_free(fake->app.client);
    cl_tenancy_free(fake->app.tenancy);
    event_base_free(fake->app.base);
    close(fake->cloched);
}

void api_fake_turn(struct api_fake *fake)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(fake->app.base, EVLOOP_NONBLOCK);
}

void api_fake_tell(struct api_fake *fake, enum cl_msg_type type, void *msg)
{
    struct cl_err err = CL_ERR_INIT;

    MUST(cl_msg_send(fake->cloched, type, msg, NULL, 0, &err));
    api_fake_turn(fake);
}

int api_fake_offer(struct api_fake *fake, bool is_ready)
{
    struct cl_msg_offer offer = { .spare = ++fake->last_spare,
                                  .pool = fake->pool,
                                  .generation = cl_tenancy_generation(fake->app.tenancy) };
    int pair[2];
    struct cl_err err = CL_ERR_INIT;

    MUST(cl_fdpass_pair(SOCK_STREAM, pair, &err));
    if (is_ready)
        api_fake_frame(fake, pair[1], CL_F_READY, NULL, 0);
    MUST(cl_msg_send(fake->cloched, CL_M_SPARE, &offer, &pair[0], 1, &err));
    close(pair[0]);
    api_fake_turn(fake);
    return pair[1];
}

void api_fake_end(struct api_fake *fake, uint64_t spare, enum cl_end_cause cause, int status)
{
    struct cl_msg_end end = { .spare = spare,
                              .cause = cause,
                              .status = status,
                              .wall_us = 410,
                              .cpu_us = 380,
                              .memory_peak_bytes = 1441792 };

    if (cause == CL_END_KILLED)
        end.reason = (uint32_t)status;
    api_fake_tell(fake, CL_M_END, &end);
}

uint32_t api_fake_hear(struct api_fake *fake, union cl_msg_any *msg)
{
    int fds[CL_FDPASS_MAX];
    size_t count = 0;
    struct cl_err err = CL_ERR_INIT;
    const int got = cl_msg_recv(fake->cloched, CL_WAY_API_TO_CLOCHED, msg, fds, &count, &err);

    CL_CHECK(got > 0 || err.kind == CL_E_BUSY);
    return got > 0 ? msg->head.type : 0;
}

void api_fake_frame(struct api_fake *fake, int worker, enum cl_frame_type type,
                    const void *bytes, size_t length)
{
    const struct cl_frame head = { CL_FRAME_MAGIC, (uint16_t)type, (uint32_t)length };

    CL_CHECK(send(worker, &head, sizeof(head), MSG_NOSIGNAL) == sizeof(head));
    CL_CHECK(length == 0 || send(worker, bytes, length, MSG_NOSIGNAL) == (ssize_t)length);
    api_fake_turn(fake);
}

size_t api_fake_read(int worker, uint8_t *bytes, size_t size)
{
    size_t have = 0;

    while (have < size) {
        const ssize_t got = recv(worker, bytes + have, size - have, MSG_DONTWAIT);

        if (got <= 0) {
            CL_CHECK(got == 0 || errno == EAGAIN || errno == ECONNRESET);
            break;
        }
        have += (size_t)got;
    }
    return have;
}
