/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int negative(int code)
{
	if (code == 0)
		return -EIO;
	return code < 0 ? code : -code;
}

/*
 * One line, whatever names it quotes; cut at the start of a UTF-8 sequence that the buffer's
 * end broke.
 */
static void tidy(char *s)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			s[i] = s[i] == '\t' ? ' ' : '?';
	if (len < ERR_MSG_MAX - 1)
		return;
	while (len > 0 && ((unsigned char)s[len - 1] & 0xc0) == 0x80)
		len--;
	if (len > 0 && ((unsigned char)s[len - 1] & 0x80))
		len--;
	s[len] = '\0';
}

/* Put ": @text" at @len of @msg, as much of it as fits. */
static void append(char *msg, size_t len, const char *text)
{
	size_t room = ERR_MSG_MAX - len;

	if (snprintf(msg + len, room, ": %s", text) < 0)
		msg[len] = '\0';
}

/* Of a text of @len, a path of thousands of bytes maybe, only what leaves room for the reason. */
static size_t cut(char *msg, size_t len, size_t reason)
{
	static const char dots[] = "...";
	size_t most = ERR_MSG_MAX - 1 - strlen(": ") - reason;

	if (len <= most)
		return len;
	while (most > sizeof(dots) && ((unsigned char)msg[most - strlen(dots)] & 0xc0) == 0x80)
		most--;
	memcpy(msg + most - strlen(dots), dots, sizeof(dots));
	return most;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	code = negative(code);
	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	tidy(err->msg);
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	const char *reason;
	va_list ap;
	int len;

	code = negative(code);
	if (!err)
		return code;
	err->code = code;
	reason = strerror(-code);
	va_start(ap, fmt);
	len = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (len >= 0)
		append(err->msg, cut(err->msg, (size_t)len, strlen(reason)), reason);
	tidy(err->msg);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_MSG_MAX];
	va_list ap;
	int len;

	if (!err)
		return -EIO;
	if (err->code == 0)
		err->code = -EIO;
	snprintf(inner, sizeof(inner), "%s", err_msg(err));
	va_start(ap, fmt);
	len = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (len >= 0 && (size_t)len < sizeof(err->msg))
		append(err->msg, (size_t)len, inner);
	tidy(err->msg);
	return err->code;
}

void err_clear(struct err *err)
{
	if (!err)
		return;
	err->code = 0;
	err->msg[0] = '\0';
}

const char *err_msg(const struct err *err)
{
	if (!err)
		return "unknown error";
	if (err->msg[0])
		return err->msg;
	return err->code ? strerror(-err->code) : "no error";
}
