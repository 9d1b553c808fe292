/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/sandbox/state.h"

#define LIMIT_MS 10000

void verbs_serve(struct verbs *v, const ProtobufCServiceDescriptor *service,
		 const struct ttrpc_method *methods)
{
	ttrpc_server_add(v->server, service, methods, v);
}

int verbs_setup(void **state)
{
	struct verbs *v = xcalloc(1, sizeof(*v));
	struct err err = ERR_INIT;
	struct sandbox_state *st;
	auto_free char *socket = NULL;
	int fd;

	snprintf(v->dir, sizeof(v->dir), "/tmp/cli-verbs-XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	v->root = path_join(v->dir, "root");
	v->output = path_join(v->dir, "output");
	socket = path_join(v->dir, "sock");
	st = state_new(v->root, "cc");
	st->bundle = xstrdup(v->dir);
	st->address = xasprintf("unix://%s", socket);
	state_add_process(st, "shim", getpid());
	state_add_container(st, "cc")->bundle = xstrdup(v->dir);
	state_find_container(st, "cc")->status = xstrdup("running");
	assert_int_equal(state_create(st, &err), 0);
	assert_int_equal(state_save(st, &err), 0);
	state_free(st);
	v->loop = loop_new();
	v->server = ttrpc_server_new(v->loop);
	fd = unix_listen(socket, 4, &err);
	assert_true(fd >= 0);
	assert_int_equal(ttrpc_server_listen(v->server, fd), 0);
	*state = v;
	return 0;
}

int verbs_teardown(void **state)
{
	struct verbs *v = *state;

	ttrpc_server_free(v->server);
	loop_free(v->loop);
	assert_int_equal(tree_remove(v->dir, NULL), 0);
	str_free(&v->said);
	free(v->root);
	free(v->output);
	free(v);
	return 0;
}

/* In the child. */
static int execute(struct verbs *v, const struct command *command, const char *line)
{
	auto_free char *copy = xstrdup(line);
	struct cli cli = { .root = v->root, .log_format = "text" };
	static const struct flag none[] = { { 0 } };
	struct err err = ERR_INIT;
	char *argv[32], *save = NULL;
	bool help = false;
	int argc = 0, r;

	for (char *a = strtok_r(copy, " ", &save); a; a = strtok_r(NULL, " ", &save)) {
		for (char *p = a; (p = strchr(p, '|')); p++)
			*p = ' ';
		argv[argc++] = a;
	}
	r = flags_parse(command->flags ? command->flags : none, argc, argv, &help, &err);
	if (r >= 0)
		r = command->run(&cli, argc - r, argv + r, &err);
	if (r < 0)
		cli_error(&err);
	fflush(stdout);
	return r < 0 ? 1 : r;
}

static void on_child(pid_t pid, int status, void *arg)
{
	(void)pid;
	*(int *)arg = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int verbs_run(struct verbs *v, const struct command *command, const char *line, const char *in)
{
	auto_free char *input = path_join(v->dir, "input");
	int64_t end = loop_now_ms() + LIMIT_MS;
	int status = -1;
	pid_t pid;

	if (!in)
		in = "";
	assert_int_equal(file_replace(input, in, strlen(in), 0600, NULL), 0);
	pid = fork();
	if (pid == 0) {
		int out = open(v->output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(open(input, O_RDONLY), STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		_exit(execute(v, command, line));
	}
	assert_non_null(loop_add_child(v->loop, pid, -1, on_child, &status));
	while (status < 0) {
		if (loop_now_ms() > end) {
			kill(pid, SIGKILL);
			fail_msg("%s %s does not end", command->name, line);
		}
		assert_int_equal(loop_step(v->loop, 50), 0);
	}
	str_free(&v->said);
	assert_int_equal(file_read(v->output, 1 << 20, &v->said, NULL), 0);
	return status;
}
