/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.read_only: a list of {source, target}. Paths are plain and absolute, so that what is
 * written is what is mounted; some places may be neither shown nor covered.
 * Runs in: cloche-policyc.
 * Trusts: the loader for shape and UTF-8; nothing of the paths.
 */
#include "policies/binds.h"

#include <string.h>

#include "sandbox/base/own.h"

enum { PATH_MAX_BYTES = 255, BINDS_MAX = 64 };

struct place {
    const char *path;
    const char *why;
};

static const struct place no_source[] = {
    { "/proc", "it shows every process of the host" },
    { "/sys", "it shows the host's devices" },
    { "/dev", "it holds the host's devices" },
    { "/run", "it holds the sockets of the host's services" },
    { "/var/run", "it holds the sockets of the host's services" },
};

static const struct place no_target[] = {
    { "/tmp", "the private /tmp is there" },
    { "/dev", "it is part of every jail" },
    { "/proc", "a jail has none" },
    { "/sys", "a jail has none" },
    { "/usr", "the interpreter's own files may be there" },
    { "/lib", "the interpreter's own files may be there" },
    { "/lib64", "the interpreter's own files may be there" },
};

/* Absolute, not "/" itself, no empty, "." or ".." part, no slash at the end. */
static bool is_plain_path(const char *path)
{
    if (path[0] != '/' || path[1] == '\0' || strlen(path) > PATH_MAX_BYTES ||
        strpbrk(path, "\r\n\t"))
        return false;
    for (const char *at = path; at; at = strchr(at, '/')) {
        size_t length = strcspn(++at, "/");
        if (length == 0 || (length <= 2 && strspn(at, ".") == length))
            return false;
    }
    return true;
}

static bool is_within(const char *path, const char *root)
{
    size_t length = strlen(root);

    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int check_path(struct cl_apply *apply, const struct cl_node *node,
                      const struct place *refused, size_t count)
{
    const char *word = node->key->text;

    if (node->kind != CL_NODE_SCALAR || !is_plain_path(node->text))
        return cl_report_add(
            apply->report, node->place,
            "%s: expected an absolute path without '.', '..' or a slash at the "
            "end",
            word);
    for (size_t i = 0; i < count; i++) {
        if (is_within(node->text, refused[i].path))
            return cl_report_add(apply->report, node->place, "%s: not %s, %s", word,
                                 refused[i].path, refused[i].why);
    }
    return 0;
}

/* Targets may not cover each other: which one would win depends on the order of mounting. */
static int check_overlap(struct cl_apply *apply, const struct cl_items *items,
                         const struct cl_node *target)
{
    for (size_t i = 1; i < items->count; i += 2) {
        const char *other = items->items[i].text;
        if (is_within(target->text, other) || is_within(other, target->text))
            return cl_report_add(apply->report, target->place, "target: overlaps with %s",
                                 other);
    }
    return 0;
}

static int take_bind(struct cl_apply *apply, struct cl_items *items, const struct cl_node *node)
{
    const struct cl_node *source = NULL, *target = NULL;

    if (node->kind == CL_NODE_MAP) {
        source = cl_node_find(node, "source");
        target = cl_node_find(node, "target");
    }
    if (!source || !target || node->count != 2)
        return cl_report_add(apply->report, node->place,
                             "files.read_only: expected {source: /on/host, target: /inside}");
    if (check_path(apply, source, no_source, CL_COUNT(no_source)) < 0 ||
        check_path(apply, target, no_target, CL_COUNT(no_target)) < 0 ||
        check_overlap(apply, items, target) < 0)
        return -1;
    cl_items_add(items, source->text, source->place);
    cl_items_add(items, target->text, target->place);
    return 0;
}

int cl_binds_take(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node)
{
    struct cl_items *items = cl_spec_items(apply->spec, key);
    int done = 0;

    if (node->kind != CL_NODE_LIST || node->sign || node->count > BINDS_MAX)
        return cl_report_add(apply->report, node->place,
                             "%s: expected a list of up to %d {source, target}", key->path,
                             BINDS_MAX);
    cl_items_fini(items);
    for (const struct cl_node *bind = node->first; bind; bind = bind->next) {
        if (take_bind(apply, items, bind) < 0)
            done = -1;
    }
    return done;
}
