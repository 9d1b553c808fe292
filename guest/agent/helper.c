/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"

#define WORDS_MAX 400

static char *find(const char *name)
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		char *path = xasprintf("%s/%s", dirs[i], name);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

/* The end of what the program said to @fd, a memfd, its lines in one. */
static void last_words(int fd, char *words, size_t size)
{
	char text[WORDS_MAX + 1];
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, text, WORDS_MAX, end > WORDS_MAX ? end - WORDS_MAX : 0);
	char *save = NULL;
	size_t len = 0;

	words[0] = text[n < 0 ? 0 : n] = '\0';
	for (char *l = strtok_r(text, "\r\n", &save); l; l = strtok_r(NULL, "\r\n", &save)) {
		int more = snprintf(words + len, size - len, "%s%s", len ? "; " : "", l);

		len += more < 0 ? 0 : (size_t)more;
		if (len >= size)
			return;
	}
}

static int outcome(const char *path, int status, int said, struct err *err)
{
	char words[2 * WORDS_MAX];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_words(said, words, sizeof(words));
	if (WIFEXITED(status))
		return err_set(err, EIO, "%s: status %d: %s", path, WEXITSTATUS(status), words);
	return err_set(err, EIO, "%s: killed by signal %d", path, WTERMSIG(status));
}

int helper_run(const char *const *argv, int in, int out, int limit_ms, struct err *err)
{
	auto_free char *path = find(argv[0]);
	auto_close int said = memfd_create("stderr", MFD_CLOEXEC);
	const char *const env[] = { "PATH=/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL=C", NULL };
	const char *args[32] = { path };
	struct proc_spec spec = {
		.argv = args,
		.envp = env,
		.stdio = { in, out, said },
		.die_with_parent = true,
	};
	struct proc p;
	int status, r;

	if (!path)
		return err_set(err, ENOENT, "the guest has no %s", argv[0]);
	if (said < 0)
		return err_sys(err, errno, "%s", path);
	for (size_t i = 1; argv[i]; i++) {
		if (i + 1 >= ARRAY_SIZE(args))
			return err_set(err, E2BIG, "%s: too many arguments", path);
		args[i] = argv[i];
	}
	r = proc_spawn(&spec, &p, err);
	if (r < 0)
		return r;
	if (fd_poll(p.pidfd, POLLIN, limit_ms) <= 0) {
		kill(p.pid, SIGKILL);
		r = err_set(err, ETIMEDOUT, "%s: no end after %d ms", path, limit_ms);
	}
	close_fd(&p.pidfd);
	while (waitpid(p.pid, &status, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? r : outcome(path, status, said, err);
}
