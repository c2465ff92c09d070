/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the control sockets: what may travel which way, and nothing else.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

static const struct {
    const char *name;
    uint32_t type;
    enum cl_msg_way way;
    uint32_t size;
    size_t fds_least;
    size_t fds_most;
} msgs[] = {
    { "HELLO", 1, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_hello), 0, 0 },
    { "TAKE", 2, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_take), 0, 0 },
    { "FINISH", 3, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_spare), 0, 0 },
    { "KILL", 4, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_kill), 0, 0 },
    { "WANT", 5, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_want), 0, 0 },
    { "DROP", 6, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_spare), 0, 0 },
    { "NEXT", 7, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_next), 0, 0 },
    { "REST", 8, CL_WAY_API_TO_CLOCHED, sizeof(struct cl_msg_spare), 0, 0 },
    { "POLICY", 32, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_policy), 1, 1 },
    { "TENANT", 33, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_tenant), 1, 1 },
    { "USAGE", 41, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_usage), 0, 0 },
    { "PROBLEM", 40, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_problem), 0, 0 },
    { "FUNCTION", 42, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_function), 1, 1 },
    { "FUNCTIONS", 43, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_functions), 0, 0 },
    { "TLS", 45, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_tls), 1, 1 },
    { "LOADED", 34, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_loaded), 0, 0 },
    { "SPARE", 35, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_offer), 1, 1 },
    { "TAKEN", 36, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_spare), 0, 0 },
    { "END", 37, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_end), 0, 0 },
    { "RETIRE", 38, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_spare), 0, 0 },
    { "DRAIN", 39, CL_WAY_CLOCHED_TO_API, sizeof(struct cl_msg_drain), 0, 0 },
    { "SPAWN", 64, CL_WAY_CLOCHED_TO_ZYGOTE, sizeof(struct cl_msg_spawn), 1, CL_FDPASS_MAX },
    { "UP", 96, CL_WAY_ZYGOTE_TO_CLOCHED, sizeof(struct cl_msg_up), 0, 0 },
    { "SPAWNED", 97, CL_WAY_ZYGOTE_TO_CLOCHED, sizeof(struct cl_msg_spawned), 1, 1 },
    { "FAILED", 98, CL_WAY_ZYGOTE_TO_CLOCHED, sizeof(struct cl_msg_failed), 0, 0 },
    { "SOURCE", 128, CL_WAY_LOADER_TO_POLICYC, sizeof(struct cl_msg_source), 1, 1 },
    { "COMPILE", 129, CL_WAY_LOADER_TO_POLICYC, sizeof(struct cl_msg), 0, 0 },
    { "COMPILED", 160, CL_WAY_POLICYC_TO_LOADER, sizeof(struct cl_msg_compiled), 1, 1 },
    { "REFUSED", 161, CL_WAY_POLICYC_TO_LOADER, sizeof(struct cl_msg_refused), 0, 0 },
    { "LOAD", 192, CL_WAY_CLOCHED_TO_LOADER, sizeof(struct cl_msg), 1, 1 },
    { "IN_FORCE", 193, CL_WAY_CLOCHED_TO_LOADER, sizeof(struct cl_msg), 0, 0 },
    { "SHOW", 194, CL_WAY_CLOCHED_TO_LOADER, sizeof(struct cl_msg), 0, 0 },
    { "EDITED", 224, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg), 0, 0 },
    { "MADE", 225, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_compiled), 1, 1 },
    { "UNFIT", 226, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_refused), 0, 0 },
    { "READY", 227, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_ready), 0, 0 },
    { "FILE", 228, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_function), 1, 1 },
    { "FILES", 229, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_functions), 0, 0 },
    { "PAIR", 231, CL_WAY_LOADER_TO_CLOCHED, sizeof(struct cl_msg_tls), 1, 1 },
    { "DONE", 162, CL_WAY_POLICYC_TO_LOADER, sizeof(struct cl_msg_done), 0, 0 },
};

static union cl_msg_any good_msg(size_t i)
{
    union cl_msg_any msg;

    memset(&msg, 0, sizeof(msg));
    msg.head.type = msgs[i].type;
    msg.head.length = msgs[i].size;
    return msg;
}

static void every_message_travels_its_way(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(msgs); i++) {
        union cl_msg_any msg = good_msg(i);

        assert_string_equal(cl_msg_name(msgs[i].type), msgs[i].name);
        for (size_t fds = msgs[i].fds_least; fds <= msgs[i].fds_most; fds++)
            assert_works(cl_msg_check(&msg, msgs[i].size, fds, msgs[i].way, &err), &err);
    }
    assert_string_equal(cl_msg_name(0), "unknown");
}

static void no_message_travels_another_way(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(msgs); i++) {
        union cl_msg_any msg = good_msg(i);

        for (int way = 0; way <= CL_WAY_LOADER_TO_CLOCHED + 1; way++) {
            if (way == (int)msgs[i].way)
                continue;
            assert_fails(
                cl_msg_check(&msg, msgs[i].size, msgs[i].fds_least, (enum cl_msg_way)way, &err),
                &err, CL_E_LOST);
        }
    }
}

static void wrong_sizes_are_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(msgs); i++) {
        for (size_t length = 0; length <= CL_MSG_MAX + 1; length++) {
            union cl_msg_any msg = good_msg(i);
            if (length == msgs[i].size)
                continue;
            assert_fails(cl_msg_check(&msg, length, msgs[i].fds_least, msgs[i].way, &err), &err,
                         CL_E_LOST);
            /* Nor when the head says the same. */
            msg.head.length = (uint32_t)length;
            assert_fails(cl_msg_check(&msg, length, msgs[i].fds_least, msgs[i].way, &err), &err,
                         CL_E_LOST);
        }
        union cl_msg_any msg = good_msg(i);
        msg.head.length++;
        assert_fails(cl_msg_check(&msg, msgs[i].size, msgs[i].fds_least, msgs[i].way, &err),
                     &err, CL_E_LOST);
    }
}

static void wrong_numbers_of_fds_are_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(msgs); i++) {
        union cl_msg_any msg = good_msg(i);

        for (size_t fds = 0; fds <= CL_FDPASS_MAX + 1; fds++) {
            if (fds >= msgs[i].fds_least && fds <= msgs[i].fds_most)
                continue;
            assert_fails(cl_msg_check(&msg, msgs[i].size, fds, msgs[i].way, &err), &err,
                         CL_E_LOST);
        }
    }
}

static void embedded_source_comes_without_an_fd(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_source source = { { CL_M_SOURCE, sizeof(source) }, 1, 0, "default" };
    union cl_msg_any msg = { .source = source };
    const enum cl_msg_way way = CL_WAY_LOADER_TO_POLICYC;

    (void)state;
    assert_works(cl_msg_check(&msg, sizeof(source), 0, way, &err), &err);
    assert_fails(cl_msg_check(&msg, sizeof(source), 1, way, &err), &err, CL_E_LOST);
    msg.source.embedded = 0;
    assert_fails(cl_msg_check(&msg, sizeof(source), 0, way, &err), &err, CL_E_LOST);
    assert_works(cl_msg_check(&msg, sizeof(source), 1, way, &err), &err);
}

static const struct {
    uint32_t type;
    size_t offset;
    size_t size;
} texts[] = {
    { CL_M_POLICY, offsetof(struct cl_msg_policy, name), CL_NAME_MAX },
    { CL_M_TENANT, offsetof(struct cl_msg_tenant, name), CL_NAME_MAX },
    { CL_M_FUNCTION, offsetof(struct cl_msg_function, tenant), CL_NAME_MAX },
    { CL_M_FUNCTION, offsetof(struct cl_msg_function, name), CL_NAME_MAX },
    { CL_M_FUNCTIONS, offsetof(struct cl_msg_functions, tenant), CL_NAME_MAX },
    { CL_M_FUNCTIONS, offsetof(struct cl_msg_functions, text), 256 },
    { CL_M_FAILED, offsetof(struct cl_msg_failed, err.file), 28 },
    { CL_M_FAILED, offsetof(struct cl_msg_failed, err.text), 216 },
    { CL_M_SOURCE, offsetof(struct cl_msg_source, name), CL_NAME_MAX },
    { CL_M_COMPILED, offsetof(struct cl_msg_compiled, name), CL_NAME_MAX },
    { CL_M_REFUSED, offsetof(struct cl_msg_refused, name), CL_NAME_MAX },
    { CL_M_REFUSED, offsetof(struct cl_msg_refused, text), CL_MSG_MAX - CL_NAME_MAX - 8 },
};

static void unterminated_texts_are_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(texts); i++) {
        size_t at = 0;
        while (msgs[at].type != texts[i].type)
            at++;
        union cl_msg_any msg = good_msg(at);

        memset(msg.bytes + texts[i].offset, 'x', texts[i].size);
        assert_fails(cl_msg_check(&msg, msgs[at].size, msgs[at].fds_least, msgs[at].way, &err),
                     &err, CL_E_LOST);
        msg.bytes[texts[i].offset + texts[i].size - 1] = '\0';
        assert_works(cl_msg_check(&msg, msgs[at].size, msgs[at].fds_least, msgs[at].way, &err),
                     &err);
    }
}

static int ends[2];

static int open_pair(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    return cl_fdpass_pair(SOCK_SEQPACKET, ends, &err);
}

static int close_pair(void **state)
{
    (void)state;
    cl_own_close(&ends[0]);
    cl_own_close(&ends[1]);
    return 0;
}

static void sent_message_arrives_with_its_fd(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_offer offer = { .spare = 42, .pool = 1, .generation = 2 };
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t count;

    (void)state;
    assert_works(cl_msg_send(ends[0], CL_M_SPARE, &offer, &ends[0], 1, &err), &err);
    assert_int_equal(cl_msg_recv(ends[1], CL_WAY_CLOCHED_TO_API, &msg, fds, &count, &err), 1);
    assert_int_equal(msg.head.type, CL_M_SPARE);
    assert_int_equal(msg.offer.spare, 42);
    assert_int_equal(count, 1);
    assert_true(fcntl(fds[0], F_GETFD) >= 0);
    close(fds[0]);
    /* Nothing of the message before is left in the storage. */
    for (size_t i = sizeof(offer); i < sizeof(msg); i++)
        assert_int_equal(msg.bytes[i], 0);
}

static void refused_message_closes_its_fds(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_offer offer = { .spare = 42 };
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    int probe[2];
    size_t count;
    char byte;

    (void)state;
    assert_int_equal(pipe2(probe, O_CLOEXEC | O_NONBLOCK), 0);
    assert_works(cl_msg_send(ends[0], CL_M_SPARE, &offer, &probe[1], 1, &err), &err);
    close(probe[1]);
    assert_fails(cl_msg_recv(ends[1], CL_WAY_API_TO_CLOCHED, &msg, fds, &count, &err), &err,
                 CL_E_LOST);
    assert_int_equal(count, 0);
    assert_int_equal(fds[0], -1);
    assert_int_equal(read(probe[0], &byte, 1), 0); /* the last writer is closed */
    close(probe[0]);
}

static void receive_says_busy_closed_and_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t count;
    const enum cl_msg_way way = CL_WAY_CLOCHED_TO_API;

    (void)state;
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_fails(cl_msg_recv(ends[1], way, &msg, fds, &count, &err), &err, CL_E_BUSY);
    assert_int_equal(send(ends[0], "short", 5, 0), 5);
    assert_fails(cl_msg_recv(ends[1], way, &msg, fds, &count, &err), &err, CL_E_LOST);
    char large[CL_MSG_MAX + 1] = { 0 };
    assert_int_equal(send(ends[0], large, sizeof(large), 0), sizeof(large));
    assert_fails(cl_msg_recv(ends[1], way, &msg, fds, &count, &err), &err, CL_E_LOST);
    cl_own_close(&ends[0]);
    assert_int_equal(cl_msg_recv(ends[1], way, &msg, fds, &count, &err), 0);
}

static void send_to_a_gone_peer_names_the_message(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_drain drain = { .grace_ms = 1 };

    (void)state;
    cl_own_close(&ends[1]);
    assert_fails(cl_msg_send(ends[0], CL_M_DRAIN, &drain, NULL, 0, &err), &err, CL_E_LOST);
    assert_memory_equal(err.text, "DRAIN: ", 7);
}

static void send_unknown_message(void)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;

    cl_msg_send(ends[0], (enum cl_msg_type)99, &msg, NULL, 0, &err);
}

static void send_without_fd(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_offer offer = { .spare = 1 };

    cl_msg_send(ends[0], CL_M_SPARE, &offer, NULL, 0, &err);
}

static void send_with_fd(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_msg_drain drain = { .grace_ms = 1 };

    cl_msg_send(ends[0], CL_M_DRAIN, &drain, ends, 1, &err);
}

static void senders_of_nonsense_abort(void **state)
{
    (void)state;
    assert_aborts(send_unknown_message);
    assert_aborts(send_without_fd);
    assert_aborts(send_with_fd);
}

#define pair_test(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_travels_its_way),
        cmocka_unit_test(no_message_travels_another_way),
        cmocka_unit_test(wrong_sizes_are_lost),
        cmocka_unit_test(wrong_numbers_of_fds_are_lost),
        cmocka_unit_test(embedded_source_comes_without_an_fd),
        cmocka_unit_test(unterminated_texts_are_lost),
        pair_test(sent_message_arrives_with_its_fd),
        pair_test(refused_message_closes_its_fds),
        pair_test(receive_says_busy_closed_and_lost),
        pair_test(send_to_a_gone_peer_names_the_message),
        pair_test(senders_of_nonsense_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
