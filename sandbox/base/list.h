/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An intrusive doubly linked list. A node is in at most one list; an unlinked node points at
 * itself, so unlinking twice is harmless.
 */
#ifndef CL_BASE_LIST_H
#define CL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cl_list {
    struct cl_list *next, *previous;
};

static inline void cl_list_init(struct cl_list *node)
{
    node->next = node->previous = node;
}

static inline bool cl_list_is_empty(const struct cl_list *head)
{
    return head->next == head;
}

static inline void cl_list_append(struct cl_list *head, struct cl_list *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

static inline void cl_list_unlink(struct cl_list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    cl_list_init(node);
}

#define cl_list_entry(node, type, member)                                                      \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* The body may unlink and free `node` itself, nothing else. */
#define cl_list_each(node, keep, head)                                                         \
    for (struct cl_list *node = (head)->next, *keep = node->next; node != (head);              \
         node = keep, keep = keep->next)

/* The same with the structs that hold the nodes. */
#define cl_list_for(type, item, member, head)                                                  \
    for (type *item = cl_list_entry((head)->next, type, member),                               \
              *item##_keep = cl_list_entry(item->member.next, type, member);                   \
         &item->member != (head);                                                              \
         item = item##_keep, item##_keep = cl_list_entry(item->member.next, type, member))

enum { CL_INDEX_BUCKETS = 256 };

/* Many lists instead of one, for what is looked up by a number. */
struct cl_index {
    struct cl_list buckets[CL_INDEX_BUCKETS];
};

static inline void cl_index_init(struct cl_index *index)
{
    for (size_t i = 0; i < CL_INDEX_BUCKETS; i++)
        cl_list_init(&index->buckets[i]);
}

static inline struct cl_list *cl_index_bucket(struct cl_index *index, uint64_t key)
{
    return &index->buckets[key % CL_INDEX_BUCKETS];
}

#endif
