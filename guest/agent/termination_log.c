/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/termination_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

#define ANNOTATION "io.kubernetes.container.terminationMessagePath"

char *termination_log_path(const Grpc__Spec *spec)
{
	const char *path = NULL;

	for (size_t i = 0; i < spec->n_annotations; i++)
		if (!strcmp(spec->annotations[i]->key, ANNOTATION))
			path = spec->annotations[i]->value;
	for (size_t i = 0; path && i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, path))
			return xstrdup(spec->mounts[i]->source);
	return NULL;
}

/* The length of the valid sequence at @s (RFC 3629), 0: there is none. */
static size_t sequence(const uint8_t *s, size_t n)
{
	static const uint8_t low[] = { 0x80, 0xa0, 0x90 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (len == 0 || len > n || s[0] > 0xf4)
		return 0;
	/* Overlong forms, surrogates, and what is above U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < low[1]) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < low[2]) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void utf8_lossy(const uint8_t *data, size_t n, struct output *out)
{
	for (size_t i = 0; i < n;) {
		size_t len = data[i] ? sequence(data + i, n - i) : 0; /* a NUL would end it all */
		const void *from = len ? (const void *)(data + i) : "\xef\xbf\xbd";
		size_t put = len ? len : 3;

		if (out->len + put >= out->size)
			return;
		memcpy(out->data + out->len, from, put);
		out->len += put;
		i += len ? len : 1;
	}
}

int termination_log_read(const char *path, struct output *out, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	uint8_t text[TERMINATION_LOG_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s is no file", path);
	n = pread(fd, text, sizeof(text), 0);
	if (n < 0)
		return err_sys(err, errno, "%s", path);
	utf8_lossy(text, (size_t)n, out);
	return 0;
}
