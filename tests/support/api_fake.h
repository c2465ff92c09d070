/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API in one process with a test: tenants and policies loaded, a cloched whose messages the
 * test writes and reads, workers whose sockets it holds.
 */
#ifndef CL_TESTS_API_FAKE_H
#define CL_TESTS_API_FAKE_H

#include "api/visit.h"
#include "tests/support/policy_sample.h"

#define API_FAKE_TOKEN "clt_0123456789abcdef0123456789abcdef"

enum { API_FAKE_POOL = 3, API_FAKE_OTHER_POOL = 4 };

struct api_fake {
    struct cl_app app;
    int cloched; /* the other end of the control socket */
    struct policy_sample sample;
    uint32_t generation;
    uint32_t pool; /* of "local": API_FAKE_POOL until a test says another one */
    uint64_t last_spare;
};

/* Tenant "local", whose policy "default" is the sample as changed by the test so far: pool 3 of
 * generation 1. Tenant "other" has the same policy as pool 4. `caps` may be NULL. */
void api_fake_init(struct api_fake *fake, const struct cl_dispatch_caps *caps,
                   const struct cl_dispatch_calls *calls, void *self);
/* Only what tenants and policies need: load says TENANT, POLICY, LOADED. */
void api_fake_load(struct api_fake *fake, uint32_t generation);
void api_fake_fini(struct api_fake *fake);

/* Lets the event loop run until nothing is left to do. */
void api_fake_turn(struct api_fake *fake);

/* Offers a spare; its worker's end, with READY already sent if `is_ready`. */
int api_fake_offer(struct api_fake *fake, bool is_ready);
/* A message to the API, sent and seen by it. */
void api_fake_tell(struct api_fake *fake, enum cl_msg_type type, void *msg);
/* END for a spare. */
void api_fake_end(struct api_fake *fake, uint64_t spare, enum cl_end_cause cause, int status);
/* The next message of the API; its type, 0 when there is none. */
uint32_t api_fake_hear(struct api_fake *fake, union cl_msg_any *msg);

/* Frames of a worker, sent and seen by the API. */
void api_fake_frame(struct api_fake *fake, int worker, enum cl_frame_type type,
                    const void *bytes, size_t length);
/* Reads what the API sent to a worker, all of it, up to `size` bytes. */
size_t api_fake_read(int worker, uint8_t *bytes, size_t size);

#endif
