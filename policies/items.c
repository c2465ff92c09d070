/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of texts that remember which file named them.
 * Runs in: cloche-policyc.
 * Trusts: its caller to have checked the texts.
 */
#include "policies/items.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"

void cl_items_fini(struct cl_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        free(items->items[i].text);
    free(items->items);
    *items = (struct cl_items){ NULL, 0 };
}

void cl_items_add(struct cl_items *items, const char *text, struct cl_place place)
{
    /* Grows by doubling: at 0, 1, 2, 4, ... there is no room left. */
    if ((items->count & (items->count - 1)) == 0) {
        size_t room = items->count ? 2 * items->count : 1;
        items->items = reallocarray(items->items, room, sizeof(*items->items));
        CL_CHECK(items->items);
    }

    struct cl_item *item = &items->items[items->count++];
    item->text = strdup(text);
    item->place = place;
    CL_CHECK(item->text);
}

void cl_items_drop(struct cl_items *items, const struct cl_item *item)
{
    size_t index = (size_t)(item - items->items);
    struct cl_items kept = { NULL, 0 };

    /* Built anew: the count alone says how much room there is. */
    for (size_t i = 0; i < items->count; i++) {
        if (i != index)
            cl_items_add(&kept, items->items[i].text, items->items[i].place);
    }
    cl_items_fini(items);
    *items = kept;
}

void cl_items_copy(struct cl_items *items, const struct cl_items *from)
{
    for (size_t i = 0; i < from->count; i++)
        cl_items_add(items, from->items[i].text, from->items[i].place);
}

const struct cl_item *cl_items_find(const struct cl_items *items, const char *text)
{
    for (size_t i = 0; i < items->count; i++) {
        if (strcmp(items->items[i].text, text) == 0)
            return &items->items[i];
    }
    return NULL;
}

const struct cl_item *cl_items_keyed(const struct cl_items *items, const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < items->count; i++) {
        const char *text = items->items[i].text;
        if (strncmp(text, key, length) == 0 && (text[length] == '=' || text[length] == '\0'))
            return &items->items[i];
    }
    return NULL;
}
