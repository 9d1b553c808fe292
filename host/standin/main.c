/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-standin: see protocol.h. It has two stages. The first enters the
 * namespaces; the second is a child of the first one's parent, for the pid
 * namespace that was entered is that of children, and the parent that adopts is
 * to be kata-runtime's.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/standin/enter.h"
#include "host/standin/serve.h"

static int fail(const struct options *o, const char *what)
{
	serve_tell(o->control, STANDIN_ERROR, errno, what);
	return STANDIN_LOST;
}

/*
 * What `ps` and `top` show of it: its name and the container's ID, which is the last
 * argument, and no paths of the host. The options' strings are lost.
 */
static void tidy_arguments(char *first, char *last)
{
	size_t n = strlen(last);
	char *end = last + n + 1, *second = first + strlen(first) + 1;

	memmove(second, last, n);
	memset(second + n, 0, (size_t)(end - second) - n);
}

static int be_standin(const struct options *o, int signals)
{
	const char *what = "";

	enter_proc(o);
	if (enter_session(o, &what) < 0)
		return fail(o, what);
	enter_drop_rights();
	serve_tell(o->control, STANDIN_READY, 0, NULL);
	return serve(signals, o->control, o->shim);
}

int main(int argc, char **argv)
{
	static const char usage[] = "kata-standin is started by kata-runtime\n";
	/* Parsing puts them in another order. */
	char *first = argv[0], *last = argc > 1 ? argv[argc - 1] : NULL;
	const char *what = "";
	struct options o;
	int signals;
	long pid;

	if (options_parse(argc, argv, &o) < 0) {
		(void)!write(STDERR_FILENO, usage, sizeof(usage) - 1);
		return 2;
	}
	signals = serve_hold_signals();
	if (signals < 0)
		return fail(&o, "cannot take over signals");
	if (enter(&o, &what) < 0)
		return fail(&o, what);
	/* No fork(): libc's has no CLONE_PARENT. The child gets this one's memory and no more. */
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return fail(&o, "cannot start the second stage");
	if (pid == 0) {
		tidy_arguments(first, last);
		return be_standin(&o, signals);
	}
	serve_tell(o.control, STANDIN_PID, (int)pid, NULL);
	return 0;
}
