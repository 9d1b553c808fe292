/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A doubly linked list whose links live inside the elements. The head is a
 * struct list of its own; an element that is in no list points at itself, so
 * list_del() on it is harmless.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Append @e, which is in no list, behind the last element of @head. */
static inline void list_add_tail(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

/* Take @e out of its list; it may be in none. */
static inline void list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* Walk @head with the cursor @it; the body must not remove elements. */
#define list_for_each(it, head) for (it = (head)->next; it != (head); it = it->next)

/* Walk @head with the cursor @it; the body may remove *@it. @tmp is scratch. */
#define list_for_each_safe(it, tmp, head) \
	for (it = (head)->next, tmp = it->next; it != (head); it = tmp, tmp = it->next)

#endif
