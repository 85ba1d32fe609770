/* list.h: intrusive doubly linked list. A node is in at most one list; a zeroed node is in none.
 *
 * Owner: whoever owns the list head; no locking here. LIST_FOREACH_SAFE lets the body unlink the current
 * node. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct list {
    struct list *next; /* of a node: NULL while it is in no list */
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != NULL;
}

static inline void list_insert_after(struct list *at, struct list *node)
{
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_after(head, node);
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_after(head->prev, node);
}

/* Does nothing to a node that is in no list. */
static inline void list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

static inline struct list *list_pop_front(struct list *head)
{
    struct list *node = head->next;
    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

#define LIST_FOREACH(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)
#define LIST_FOREACH_SAFE(node, head)                                                                        \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);                        \
         node = node##_next, node##_next = node->next)
