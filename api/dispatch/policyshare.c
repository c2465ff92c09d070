/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the users of mapped policies.
 * Runs in: cloche-api.
 * Trusts: the kernel's inode numbers; the policies still pass cl_policyview_open.
 */
#include "api/dispatch/policyshare.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "sandbox/base/policyview.h"

struct shared {
    struct cl_list node;
    const struct cl_policy *policy; /* owned */
    dev_t dev;
    ino_t ino;
    unsigned users;
};

void cl_policyshare_init(struct cl_policyshare *share)
{
    cl_list_init(&share->all);
}

static struct shared *by_file(struct cl_policyshare *share, const struct stat *file)
{
    cl_list_each (node, keep, &share->all) {
        struct shared *shared = cl_list_entry(node, struct shared, node);

        if (shared->ino == file->st_ino && shared->dev == file->st_dev)
            return shared;
    }
    return NULL;
}

const struct cl_policy *cl_policyshare_open(struct cl_policyshare *share, int fd,
                                            struct cl_err *err)
{
    struct shared *shared;
    struct stat file;

    if (fstat(fd, &file) < 0)
        return cl_fail(err, CL_E_SYS, "stat a policy"), NULL;
    shared = by_file(share, &file);
    if (shared) {
        shared->users++;
        return shared->policy;
    }
    const struct cl_policy *policy = cl_policyview_open(fd, err);
    if (!policy)
        return NULL;
    shared = calloc(1, sizeof(*shared));
    CL_CHECK(shared);
    *shared =
        (struct shared){ .policy = policy, .dev = file.st_dev, .ino = file.st_ino, .users = 1 };
    cl_list_init(&shared->node);
    cl_list_append(share->all.next, &shared->node); /* in front: it is asked for again soon */
    return policy;
}

void cl_policyshare_close(struct cl_policyshare *share, const struct cl_policy *policy)
{
    cl_list_each (node, keep, &share->all) {
        struct shared *shared = cl_list_entry(node, struct shared, node);

        if (shared->policy != policy)
            continue;
        if (--shared->users == 0) {
            cl_list_unlink(&shared->node);
            cl_policyview_close(policy);
            free(shared);
        }
        return;
    }
}
