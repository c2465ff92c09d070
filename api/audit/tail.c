/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the end of an audit log once, before anything is written to it.
 * Runs in: cloche-api, before it is confined.
 * Trusts: the first line of what it reads, as far as its hash goes; a whole check is the admin's to
 * ask for (cloche audit verify).
 */
#include "api/audit/tail.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/audit/verify.h"
#include "sandbox/base/own.h"

/* Of what was read, where the last good line ends. */
struct reading {
    struct cl_verify verify;
    const char *text;
    size_t length;
    size_t good; /* bytes up to the end of the last good line, its newline too */
};

static int read_end(int fd, char *text, size_t *length, bool *is_whole, struct cl_err *err)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        return cl_fail(err, CL_E_SYS, "look at the audit log");
    const off_t start =
        found.st_size > CL_AUDIT_TAIL_BYTES ? found.st_size - CL_AUDIT_TAIL_BYTES : 0;

    *is_whole = start == 0;
    for (*length = 0; *length < CL_AUDIT_TAIL_BYTES;) {
        const ssize_t got =
            pread(fd, text + *length, CL_AUDIT_TAIL_BYTES - *length, start + (off_t)*length);
        if (got < 0)
            return cl_fail(err, CL_E_SYS, "read the audit log");
        if (got == 0)
            break;
        *length += (size_t)got;
    }
    return 0;
}

/* Line by line: one that does not follow is where the good ones end, though more may come that
 * explain it. */
static void follow(struct reading *reading, size_t at)
{
    struct cl_err ignored = CL_ERR_INIT;

    while (at < reading->length) {
        const char *end = memchr(reading->text + at, '\n', reading->length - at);
        const size_t next = end ? (size_t)(end - reading->text) + 1 : reading->length;

        if (cl_verify_feed(&reading->verify, reading->text + at, next - at, &ignored) < 0)
            return;
        at = next;
        if (end && cl_verify_pending(&reading->verify) == 0 && reading->verify.torn.bytes == 0)
            reading->good = at;
    }
}

/* All but its newline may be there of the last line: then it is whole. */
static bool is_whole_line(struct reading *reading)
{
    struct cl_err ignored = CL_ERR_INIT;
    const uint64_t lines = reading->verify.lines;

    return reading->verify.torn.bytes == 0 && cl_verify_pending(&reading->verify) > 0 &&
           cl_verify_feed(&reading->verify, "\n", 1, &ignored) == 0 &&
           reading->verify.lines == lines + 1;
}

static void note_torn(struct cl_audit_tail *tail, const char *bytes, size_t length)
{
    uint8_t hash[CL_AUDIT_HASH];

    tail->torn_bytes = length;
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)bytes, length, NULL, 0);
    sodium_bin2hex(tail->torn, sizeof(tail->torn), hash, sizeof(hash));
}

static int judge(struct cl_audit_tail *tail, struct reading *reading, struct cl_err *err)
{
    char head[CL_AUDIT_HEAD];

    if (reading->length > 0 && reading->good == 0)
        return cl_fail(err, CL_E_INPUT,
                       "the audit log ends in what is no audit log: see `cloche audit verify`, "
                       "and move it away");
    memcpy(head, reading->verify.head, sizeof(head));
    tail->seq = reading->verify.seq;
    if (is_whole_line(reading)) {
        tail->lacks_newline = true;
        tail->seq = reading->verify.seq;
        memcpy(head, reading->verify.head, sizeof(head));
    } else if (reading->good < reading->length) {
        note_torn(tail, reading->text + reading->good, reading->length - reading->good);
    }
    memcpy(tail->head, head, sizeof(tail->head));
    return 0;
}

int cl_audit_tail_read(struct cl_audit_tail *tail, int fd, bool is_before, struct cl_err *err)
{
    cl_free_auto char *text = malloc(CL_AUDIT_TAIL_BYTES);
    struct reading reading = { .text = text };
    bool is_whole = true;
    size_t start = 0;

    CL_CHECK(text);
    *tail = (struct cl_audit_tail){ .is_of_before = is_before };
    cl_verify_init(&reading.verify);
    if (read_end(fd, text, &reading.length, &is_whole, err) < 0)
        return -1;
    if (!is_whole) {
        const char *end = memchr(text, '\n', reading.length);
        start = end ? (size_t)(end - text) + 1 : reading.length;
        cl_verify_begin_anywhere(&reading.verify);
    }
    follow(&reading, start);
    if (judge(tail, &reading, err) < 0)
        return -1;
    if (reading.length == 0)
        tail->is_of_before = true;
    if (is_before)
        tail->torn_bytes = 0; /* nobody writes there any more */
    return 0;
}
