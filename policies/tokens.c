/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `tokens`: lists the tokens of a tenants.yaml, adds, revokes and rotates one in place.
 * Runs in: cloche-policyc, as the admin, mostly for `cloche token`.
 * Trusts: nothing of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/input.h"
#include "policies/load.h"
#include "policies/tenanttable.h"
#include "policies/tokenedit.h"
#include "policies/value.h"
#include "policies/verbs.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

/* NULL when it was refused, which has been said. */
static struct cl_tenants *open_tenants(const char *path, int fd)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_tenants *tenants = fd < 0 ? NULL : cl_input_tenants(path, fd, &report, &err);

    if (fd < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else if (!tenants)
        fprintf(stderr, "%s\n", err.text);
    cl_report_sort(&report);
    cl_report_print(&report, stderr);
    cl_report_fini(&report);
    if (tenants && tenants->is_refused) {
        cl_tenants_free(tenants);
        return NULL;
    }
    return tenants;
}

/* ------------------------------------------------------------------------------------- list */

static void print_scopes(uint32_t scopes, const char *quote)
{
    const char *word = CL_SCOPE_WORDS;
    const char *joint = "";

    for (uint32_t scope = 1; *word; scope <<= 1) {
        const int length = (int)strcspn(word, " ");
        if (scopes & scope) {
            printf("%s%s%.*s%s", joint, quote, length, word, quote);
            joint = ",";
        }
        word += length + (int)strspn(word + length, " ");
    }
}

/* Names have no byte that JSON would escape. */
static void print_tokens(const struct cl_tenants *tenants, bool is_json)
{
    const char *joint = "";

    for (size_t i = 0; i < tenants->count; i++) {
        const struct cl_tenant_file *file = &tenants->entries[i].file;
        for (uint32_t j = 0; j < file->token_count; j++) {
            printf(is_json ? "%s{\"tenant\":\"%s\",\"id\":\"%s\",\"scopes\":[" : "%s%s %s ",
                   joint, file->name, file->tokens[j].id);
            print_scopes(file->tokens[j].scopes, is_json ? "\"" : "");
            fputs(is_json ? "]}" : "\n", stdout);
            joint = is_json ? "," : "";
        }
    }
}

static int list(int count, char **args)
{
    const bool is_json = count == 2 && strcmp(args[1], "--json") == 0;
    cl_close_auto int fd = -1;

    if (count != 1 + (is_json ? 1 : 0))
        return CL_VERB_USAGE;
    fd = open(args[0], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct cl_tenants *tenants = open_tenants(args[0], fd);
    if (!tenants)
        return CL_VERB_REFUSED;
    fputs(is_json ? "{\"tokens\":[" : "", stdout);
    print_tokens(tenants, is_json);
    fputs(is_json ? "]}\n" : "", stdout);
    cl_tenants_free(tenants);
    return CL_VERB_OK;
}

/* ------------------------------------------------------------------------------------- edit */

/* A file of the same mode and owner takes the place of the old one, at once. */
static int put_in_place(const char *path, const struct stat *old, const struct cl_buf *text,
                        struct cl_err *err)
{
    char made[PATH_MAX];

    if (snprintf(made, sizeof(made), "%s.XXXXXX", path) >= (int)sizeof(made))
        return cl_fail(err, CL_E_INPUT, "the path is too long");
    cl_close_auto int fd = mkostemp(made, O_CLOEXEC);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "make a file beside %.120s", path);
    int done = 0;
    if (fchown(fd, old->st_uid, old->st_gid) < 0 || fchmod(fd, old->st_mode & 07777) < 0)
        done = cl_fail(err, CL_E_SYS, "give the new file the old one's owner and mode");
    if (done == 0 && (cl_file_write_all(fd, text->bytes, text->length, err) < 0 ||
                      (fsync(fd) < 0 && cl_fail(err, CL_E_SYS, "write %.120s", made) < 0) ||
                      (rename(made, path) < 0 && cl_fail(err, CL_E_SYS, "rename") < 0)))
        done = -1;
    if (done < 0)
        unlink(made);
    return done;
}

/* Two of us on one file take turns; the second sees what the first has put in its place. */
static int open_locked(const char *path)
{
    for (;;) {
        cl_close_auto int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat mine, now;

        if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &mine) < 0 || stat(path, &now) < 0)
            return -1;
        if (mine.st_ino == now.st_ino && mine.st_dev == now.st_dev)
            return cl_take_fd(&fd);
    }
}

static int edit(const char *arg, const struct cl_tokenedit_ask *ask)
{
    CL_AUTO(cl_buf_fini) struct cl_buf text = CL_BUF_INIT(CL_LOAD_TENANTS_BYTES_MAX);
    struct cl_err err = CL_ERR_INIT;
    char path[PATH_MAX];
    struct stat old;

    /* A link stays one: what it leads to is changed. */
    if (!realpath(arg, path)) {
        fprintf(stderr, "%s: %s\n", arg, strerror(errno));
        return CL_VERB_REFUSED;
    }
    cl_close_auto int fd = open_locked(path);
    struct cl_tenants *tenants = open_tenants(path, fd);
    if (!tenants)
        return CL_VERB_REFUSED;
    int done = fstat(fd, &old) < 0 ? cl_fail(&err, CL_E_SYS, "stat %.120s", path)
                                   : cl_tokenedit_run(tenants, ask, &text, &err);
    if (done == 0)
        done = put_in_place(path, &old, &text, &err);
    cl_tenants_free(tenants);
    if (done < 0)
        fprintf(stderr, "%s\n", err.text);
    return done < 0 ? CL_VERB_REFUSED : CL_VERB_OK;
}

static int parse_scopes(const char *text, uint32_t *scopes)
{
    char word[CL_NAME_MAX];

    for (; *text; text += *text == ',') {
        const size_t length = strcspn(text, ",");
        snprintf(word, sizeof(word), "%.*s", (int)length, text);
        const int index = cl_value_word_index(CL_SCOPE_WORDS, word);
        if (index < 0)
            return -1;
        *scopes |= 1u << index;
        text += length;
    }
    return *scopes ? 0 : -1;
}

/* FILE TENANT ID [HASH [SCOPES]] */
static int change(enum cl_tokenedit what, int count, char **args)
{
    static const int wants[] = {
        [CL_TOKEN_ADD] = 5, [CL_TOKEN_REVOKE] = 3, [CL_TOKEN_ROTATE] = 4
    };
    struct cl_tokenedit_ask ask = { .what = what };

    if (count != wants[what])
        return CL_VERB_USAGE;
    ask.tenant = args[1];
    if (strlen(args[2]) >= sizeof(ask.token.id))
        return CL_VERB_USAGE;
    memcpy(ask.token.id, args[2], strlen(args[2]));
    if (what != CL_TOKEN_REVOKE &&
        cl_tenanttable_hash(CL_KEY_HASH, args[3], ask.token.hash) < 0)
        return CL_VERB_USAGE;
    if (what == CL_TOKEN_ADD && parse_scopes(args[4], &ask.token.scopes) < 0) {
        fprintf(stderr, "scopes are some of: %s\n", CL_SCOPE_WORDS);
        return CL_VERB_REFUSED;
    }
    return edit(args[0], &ask);
}

int cl_verb_tokens(int count, char **args)
{
    static const struct {
        const char *name;
        enum cl_tokenedit what;
    } rows[] = { { "add", CL_TOKEN_ADD },
                 { "revoke", CL_TOKEN_REVOKE },
                 { "rotate", CL_TOKEN_ROTATE } };

    if (count > 0 && strcmp(args[0], "list") == 0)
        return list(count - 1, args + 1);
    for (size_t i = 0; count > 0 && i < CL_COUNT(rows); i++) {
        if (strcmp(args[0], rows[i].name) == 0)
            return change(rows[i].what, count - 1, args + 1);
    }
    return CL_VERB_USAGE;
}
