/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values. A function that can fail returns 0 (or a count, or a
 * descriptor) on success and a negative errno on failure, and when its caller
 * may want to say why, it takes a struct err as its last argument.
 *
 * The message grows from the inside out: the innermost function sets it, each
 * caller that knows more wraps it ("outer: inner"), and the one layer that
 * decides to give up tells the user, once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

#define ERR_MSG_MAX 1024

struct err {
	int code;	       /* negative errno, 0 while nothing failed */
	char msg[ERR_MSG_MAX]; /* one line without newline, NUL-terminated */
};

#define ERR_INIT      \
	{             \
		0, "" \
	}

/*
 * Set @err to @code (an errno of either sign; 0 is taken for EIO) with a
 * formatted message. @err may be NULL. A message that does not fit is cut at a
 * character boundary. Returns the negative errno, so that failing is one line:
 * `return err_set(err, ENOENT, "%s: no such kernel", path);`
 */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set(), with ": <text of code>" after the message. For system calls. */
int err_sys(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Put "<formatted>: " in front of the message that @err holds and keep its
 * code. Returns err->code (-EIO when @err is NULL or unset).
 */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget what @err holds. NULL is allowed. */
void err_clear(struct err *err);

/* The message, or the text of the code when there is none. Never NULL. */
const char *err_msg(const struct err *err);

#endif
