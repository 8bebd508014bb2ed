/* list.h - intrusive doubly linked lists whose all-zero state is an empty list.
 * Layer: base (includes only base).
 *
 * An element embeds a link; the list knows the first one. Each link also knows the pointer that
 * points at it, so that an element leaves its list without naming it.
 *
 *      list.first --> link.next --> link.next --> NULL
 *           ^----- pointed_by  ^----- pointed_by
 *
 * Static lists need no initialisation, and a list can be emptied by zeroing `first` when its
 * elements are about to be put elsewhere. Not thread-safe: callers lock. */
#ifndef ARENITE_BASE_LIST_H
#define ARENITE_BASE_LIST_H

#include "base/compiler.h"

struct list_link {
    struct list_link *next;
    struct list_link **pointed_by; /* &list.first or &previous->next; NULL: on no list */
};

struct list {
    struct list_link *first;
};

/* The struct of a type that embeds the link as `member`. */
#define LIST_ELEMENT(link, type, member) ((type *)((uintptr_t)(link)-offsetof(type, member)))

INLINE bool list_is_empty(const struct list *list) {
    return list->first == NULL;
}

INLINE bool list_holds(const struct list_link *link) {
    return link->pointed_by != NULL;
}

INLINE void list_put_first(struct list *list, struct list_link *link) {
    link->next = list->first;
    link->pointed_by = &list->first;
    if (link->next != NULL) {
        link->next->pointed_by = &link->next;
    }
    list->first = link;
}

/* Puts a link that is on no list where another one is, which leaves its list. */
INLINE void list_replace(struct list_link *old, struct list_link *link) {
    *link = *old;
    *link->pointed_by = link;
    if (link->next != NULL) {
        link->next->pointed_by = &link->next;
    }
    old->pointed_by = NULL;
}

/* All links go to an empty list. */
INLINE void list_move(struct list *from, struct list *to) {
    to->first = from->first;
    if (to->first != NULL) {
        to->first->pointed_by = &to->first;
    }
    from->first = NULL;
}

INLINE void list_take(struct list_link *link) {
    *link->pointed_by = link->next;
    if (link->next != NULL) {
        link->next->pointed_by = link->pointed_by;
    }
    link->pointed_by = NULL;
}

#endif
