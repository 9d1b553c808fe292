/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings that grow. A struct str that is zeroed is empty and valid; its data
 * is always NUL-terminated once anything was added. Running out of memory
 * aborts: nothing here can be told better by its caller.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
	char *data; /* NULL while empty */
	size_t len; /* without the NUL */
	size_t cap;
};

#define STR_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void str_add(struct str *s, const void *data, size_t len);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The text, "" when empty; valid until the next change. */
const char *str_text(const struct str *s);

/* Hand the text over to the caller, who frees it; @s is empty afterwards. Never NULL. */
char *str_take(struct str *s);

/* Remove the first @n (≤ len) bytes. */
void str_drop(struct str *s, size_t n);

/* Release; @s is empty and valid afterwards. */
void str_free(struct str *s);
#define auto_str __attribute__((cleanup(str_free)))

/* malloc and friends that abort when memory is out. The caller frees. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A NULL-terminated vector of strings that it owns. A zeroed one is empty;
 * strv.v may be NULL until the first strv_add().
 */
struct strv {
	char **v;
	size_t n;
};

void strv_add(struct strv *sv, const char *s);
/* As strv_add(), taking over @s, which malloc made. */
void strv_take(struct strv *sv, char *s);
void strv_addf(struct strv *sv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_free(struct strv *sv);
#define auto_strv __attribute__((cleanup(strv_free)))

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/*
 * Parse a whole decimal number into *@v. Returns 0, -EINVAL for anything but
 * digits (with one leading '-' allowed), -ERANGE outside [@min, @max].
 */
int str_to_ll(const char *s, long long min, long long max, long long *v);

#endif
