/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/read_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

const char *input_name(const char *path)
{
	return strcmp(path, "-") ? path : "standard input";
}

static int read_stream(int fd, const char *name, size_t max, struct str *text, struct err *err)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s", name);
		if (text->len + (size_t)n > max)
			return err_set(err, EFBIG, "%s: more than %zu bytes", name, max);
		str_add(text, buf, (size_t)n);
	}
	return 0;
}

int read_input(const char *path, size_t max, struct str *text, struct err *err)
{
	auto_close int fd = -1;
	struct stat st;

	if (strcmp(path, "-") == 0)
		return read_stream(STDIN_FILENO, input_name(path), max, text, err);
	/* The shell's <(...) is one. */
	if (stat(path, &st) < 0 || !S_ISFIFO(st.st_mode))
		return file_read(path, max, text, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s", path) : read_stream(fd, path, max, text, err);
}
