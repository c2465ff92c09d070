/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche.yaml into settings, and settings that a taken-over policyc could make.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policies/pack.h"
#include "policies/settings.h"
#include "sandbox/base/own.h"
#include "sandbox/load/settings.h"

/* The problems of a text, or "". */
static const char *problems(const char *text, struct cl_settings_file *file)
{
    static char said[4096];
    struct cl_report report = CL_REPORT_INIT;
    struct cl_settings *settings = cl_settings_read("cloche.yaml", text, strlen(text), &report);

    said[0] = '\0';
    for (size_t i = 0; i < report.count; i++)
        cl_report_format(&report.problems[i], said + strlen(said), sizeof(said) - strlen(said));
    assert_int_equal(settings->is_refused, report.errors > 0);
    if (file)
        *file = settings->file;
    cl_report_fini(&report);
    cl_settings_free(settings);
    return said;
}

static void every_key_arrives(void **state)
{
    struct cl_settings_file file;

    (void)state;
    assert_string_equal(problems("version: 1\n"
                                 "listen: \"[::1]:0\"\n"
                                 "tls: {certificate: /a, key: /b/c, client_ca: /d}\n"
                                 "drain: 5s\nlog: warn,json\naudit: required\njails: 4096\n"
                                 "queue_wait: 1h\nbuffers: 1Mi\nkeep: 0s,0\nstore: 1Mi,1Mi\n",
                                 &file),
                        "");
    assert_int_equal(file.count, 13);
    assert_string_equal(cl_settings_text(&file, "listen"), "[::1]:0");
    assert_string_equal(cl_settings_text(&file, "tls.key"), "/b/c");
    assert_string_equal(cl_settings_text(&file, "store"), "1Mi,1Mi");
    assert_string_equal(cl_settings_text(&file, "tls"), "");
    assert_true(cl_settings_has_tls(&file));
    assert_string_equal(problems("version: 1\nplain_text_beyond_loopback: true\n", &file), "");
    assert_false(cl_settings_has_tls(&file));
}

static const struct {
    const char *text;
    const char *says;
} wrongs[] = {
    { "", "an empty file" },
    { "version: 2\n", "version: found" },
    { "listen: 127.0.0.1:1\n", "the key 'version' is missing" },
    { "version: 1\nlistn: x\n", "did you mean 'listen'?" },
    { "version: 1\ncertificate: /x\n", "did you mean 'tls.certificate'?" },
    { "version: 1\nlisten: 127.0.0.1\n", "listen: found" },
    { "version: 1\nlisten: 127.0.0.1:65536\n", "listen: found" },
    { "version: 1\nlisten: 127.0.0.1:1 \\\n", "listen: found" },
    { "version: 1\nlisten: ::1:80\n", "listen: found" },
    { "version: 1\nlisten: \"[::1]\"\n", "listen: found" },
    { "version: 1\nlisten: [127.0.0.1:80]\n", "listen: found a list" },
    { "version: 1\ntls: yes\n", "tls: found yes, expected a mapping" },
    { "version: 1\ntls: {certificate: /a}\n", "the key 'tls.key' is missing" },
    { "version: 1\ntls: {certificate: /a/../b, key: /b}\n", "tls.certificate: found" },
    { "version: 1\ntls: {certificate: /a//b, key: /b}\n", "tls.certificate: found" },
    { "version: 1\ntls: {certificate: /a, key: b}\n", "tls.key: found b" },
    { "version: 1\ntls: {certificate: /a, key: /b}\nplain_text_beyond_loopback: true\n",
      "nothing is plain text" },
    { "version: 1\nplain_text_beyond_loopback: 1\n", "plain_text_beyond_loopback: found" },
    { "version: 1\njails: 4097\n", "jails: found" },
    { "version: 1\njails: -1\n", "jails: found" },
    { "version: 1\nbuffers: 1023Ki\n", "buffers: found" },
    { "version: 1\nqueue_wait: 0s\n", "queue_wait: found" },
    { "version: 1\nqueue_wait: 10\n", "queue_wait: found" },
    { "version: 1\ndrain: 25h\n", "drain: found" },
    { "version: 1\nlog: loud\n", "log: found loud, expected one of" },
    { "version: 1\nkeep: 1h\n", "keep: found" },
    { "version: 1\nkeep: 1h,x\n", "keep: found" },
    { "version: 1\nstore: 1Mi,1Ki\n", "store: found" },
    { "version: 1\njails: 1\njails: 2\n", "duplicate key 'jails'" },
};

static void wrong_settings_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrongs); i++) {
        const char *said = problems(wrongs[i].text, NULL);
        if (!strstr(said, wrongs[i].says))
            fail_msg("%s: %s", wrongs[i].text, said);
    }
}

static const struct cl_settings_file *sealed(const struct cl_settings_file *file, size_t size)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(sizeof(*file));
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_buf_put(&buf, file, size, &err), &err);
    cl_close_auto int fd = cl_pack_seal(&buf, &err);
    assert_true(fd >= 0);
    return cl_settings_open(fd, &err);
}

static void what_is_compiled_is_checked_before_it_is_read(void **state)
{
    struct cl_settings_file good, bad;

    (void)state;
    problems("version: 1\nlisten: 127.0.0.1:1\n", &good);
    const struct cl_settings_file *open = sealed(&good, sizeof(good));
    assert_non_null(open);
    cl_settings_close(open);
    assert_null(sealed(&good, sizeof(good) - 1));
    bad = good, bad.magic++;
    assert_null(sealed(&bad, sizeof(bad)));
    bad = good, bad.count = CL_SETTINGS_MAX + 1;
    assert_null(sealed(&bad, sizeof(bad)));
    bad = good, memset(bad.settings[1].text, 'x', sizeof(bad.settings[1].text));
    assert_null(sealed(&bad, sizeof(bad)));
    bad = good, memset(bad.settings[1].key, 'x', sizeof(bad.settings[1].key));
    assert_null(sealed(&bad, sizeof(bad)));
    bad = good, bad.settings[1].text[3] = '\n';
    assert_null(sealed(&bad, sizeof(bad)));
    bad = good, bad.settings[1].text[0] = '\0';
    assert_null(sealed(&bad, sizeof(bad)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_arrives),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(what_is_compiled_is_checked_before_it_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
