/* SPDX-License-Identifier: Apache-2.0 */
/* kata-monitor: see monitor.h. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/version.h"
#include "host/monitor/monitor.h"
#include "host/monitor/options.h"
#include "host/monitor/sandboxes.h"
#include "host/sandbox/state.h"

/* As of Go's flag package. */
#define STATUS_USAGE 2

/* Larger pieces go back to the kernel as soon as they are freed. */
#define LARGE_PIECE (64 << 10)

static void print_version(void)
{
	struct utsname u;

	if (uname(&u) < 0)
		u.machine[0] = '\0';
	printf("kata-monitor\n Version:\t%s\n Git commit:\t%s\n OS/Arch:\tlinux/%s\n", kata_version,
	       kata_commit, u.machine);
}

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	(void)info;
	loop_stop(arg, 0);
}

static int serve(struct loop *loop, struct options *o, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct monitor *m;
	int fd = options_listen(o->address, err), r;

	if (fd < 0)
		return fd;
	m = monitor_new(loop, &o->roots);
	r = httpd_listen(m->httpd, fd);
	if (r < 0)
		err_sys(err, r, "cannot serve");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
		if (!loop_add_signal(loop, signals[i], on_signal, loop))
			r = err_sys(err, errno, "cannot take over the signals");
	if (r == 0) {
		log_info("kata-monitor %s %s: listening on %s", kata_version, kata_commit,
			 o->address);
		r = loop_run(loop);
		if (r < 0)
			err_sys(err, r, "cannot wait");
	}
	monitor_free(m);
	return r;
}

static int run(struct options *o, struct err *err)
{
	struct loop *loop;
	int r;

	log_open(STDERR_FILENO, "kata-monitor", o->level, LOG_FORMAT_TEXT);
	mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
	mallopt(M_TRIM_THRESHOLD, LARGE_PIECE);
	signal(SIGPIPE, SIG_IGN);
	if (o->roots.n == 0) {
		strv_add(&o->roots, SANDBOX_ROOT);
		strv_add(&o->roots, SANDBOX_ROOT_RUST);
	}
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	r = serve(loop, o, err);
	loop_free(loop);
	return r;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct options o;
	int r;

	if (options_parse(argc, argv, &o, &err) < 0) {
		fprintf(stderr, "kata-monitor: %s\n", err_msg(&err));
		options_usage(stderr);
		return STATUS_USAGE;
	}
	if (o.help || o.version) {
		if (o.help)
			options_usage(stdout);
		else
			print_version();
		return EXIT_SUCCESS;
	}
	r = run(&o, &err);
	strv_free(&o.roots);
	if (r < 0)
		fprintf(stderr, "kata-monitor: %s\n", err_msg(&err));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
