/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const char *program_getenv(const Grpc__Process *process, const char *name)
{
	size_t len = strlen(name);
	const char *value = NULL;

	for (size_t i = 0; i < process->n_env; i++)
		if (!strncmp(process->env[i], name, len) && process->env[i][len] == '=')
			value = process->env[i] + len + 1;
	return value;
}

/* 0 if @path is a file that this user may execute, else -errno. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int find_in_path(const char *name, const char *dirs, char **path, struct err *err)
{
	bool denied = false;

	for (const char *p = dirs; p;) {
		const char *end = strchrnul(p, ':');
		auto_free char *full =
			xasprintf("%.*s%s%s", (int)(end - p), p, end > p ? "/" : "./", name);
		int r = executable(full);

		if (r == 0) {
			*path = take_ptr(full);
			return 0;
		}
		denied = denied || r == -EACCES;
		p = *end ? end + 1 : NULL;
	}
	if (denied)
		return err_set(err, EACCES, "exec: \"%s\": permission denied", name);
	return err_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int program_find(const Grpc__Process *process, char **path, struct err *err)
{
	const char *name = process->n_args > 0 ? process->args[0] : "";
	const char *dirs = program_getenv(process, "PATH");
	int r;

	if (!*name)
		return err_set(err, EINVAL, "process.args is empty");
	if (!strchr(name, '/'))
		return find_in_path(name, dirs ? dirs : default_path, path, err);
	r = executable(name);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_set(err, ENOENT, "exec: \"%s\": stat %s: no such file or directory",
			       name, name);
	if (r == -EACCES)
		return err_set(err, EACCES, "exec: \"%s\": permission denied", name);
	if (r == -EISDIR)
		return err_set(err, EACCES, "exec: \"%s\": is a directory: permission denied",
			       name);
	if (r < 0)
		return err_sys(err, r, "exec: \"%s\"", name);
	*path = xstrdup(name);
	return 0;
}

void program_args(const Grpc__Process *process, struct strv *argv)
{
	for (size_t i = 0; i < process->n_args; i++)
		strv_add(argv, process->args[i]);
}

/* Whether another of that name comes behind variable @i: of several the last one counts. */
static bool comes_again(const Grpc__Process *process, size_t i)
{
	size_t len = strcspn(process->env[i], "=");

	for (size_t k = i + 1; k < process->n_env; k++)
		if (!strncmp(process->env[k], process->env[i], len + 1))
			return true;
	return false;
}

void program_env(const Grpc__Process *process, const char *home, struct strv *envp)
{
	const char *have = program_getenv(process, "HOME");

	for (size_t i = 0; i < process->n_env; i++) {
		/* An empty HOME counts as none, and a name without a value is no variable. */
		if (strchr(process->env[i], '=') && !comes_again(process, i) &&
		    ((have && *have) || strncmp(process->env[i], "HOME=", 5)))
			strv_add(envp, process->env[i]);
	}
	if (!have || !*have)
		strv_addf(envp, "HOME=%s", home);
}
