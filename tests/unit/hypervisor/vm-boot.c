/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-boot CONFIG DIR [MS [AGAIN]]: one machine, by a driver alone. Boots with DIR/share
 * shared and DIR/run as its run directory, prints each event and the time since
 * the start, and what comes first from the agent's stream; MS after that (or
 * when the agent did not come within 30 s) it is stopped. The connection to the
 * agent is first closed and made anew AGAIN times. The last line is
 * "exited: <error>". Status 0 when the agent was reached and the end was clean.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/hypervisor.h"

#define AGENT_LIMIT_MS 30000

struct boot {
	struct loop *loop;
	struct vm *vm;
	int64_t start;
	struct loop_source *limit, *stream;
	int stay, fd, again;
	bool reached;
};

static void say(struct boot *b, const char *what)
{
	printf("%6lld ms %s\n", (long long)(loop_now_ms() - b->start), what);
	fflush(stdout);
}

static void on_limit(void *arg)
{
	struct boot *b = arg;
	auto_str struct str words = STR_INIT;

	b->limit = NULL;
	vm_console(b->vm, &words);
	if (!b->reached)
		printf("console: %s\n", str_text(&words));
	say(b, "stop");
	vm_stop(b->vm);
}

static void on_stream(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct boot *b = arg;
	char buf[256];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)src;
	(void)events;
	if (n > 0) {
		printf("%6lld ms agent says %zd bytes, first: %.*s\n",
		       (long long)(loop_now_ms() - b->start), n, (int)strcspn(buf, "\n"), buf);
		return;
	}
	say(b, "agent's stream ended");
	loop_remove(&b->stream);
}

static void on_event(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct boot *b = arg;
	struct err why = ERR_INIT;
	bool serial;

	switch (event) {
	case VM_STARTED:
		say(b, "started");
		if (vm_connect(vm, &why) < 0)
			say(b, err_msg(&why));
		break;
	case VM_AGENT:
		b->fd = vm_take_agent(vm, &serial);
		say(b, serial ? "agent (serial)" : "agent (stream)");
		b->reached = true;
		if (b->again-- > 0) {
			close_fd(&b->fd);
			vm_connect(vm, NULL);
			break;
		}
		b->stream = loop_add_fd(b->loop, b->fd, EPOLLIN, on_stream, b);
		loop_remove(&b->limit);
		b->limit = loop_add_timer(b->loop, b->stay, on_limit, b);
		break;
	case VM_EXITED:
		printf("%6lld ms exited: %s\n", (long long)(loop_now_ms() - b->start),
		       err->code ? err_msg(err) : "");
		loop_stop(b->loop, err->code || !b->reached);
		break;
	}
}

static int on_process(struct vm *vm, const char *name, pid_t pid, void *arg)
{
	(void)vm;
	(void)arg;
	printf("process %s %d\n", name, (int)pid);
	fflush(stdout);
	return 0;
}

static int boot(struct boot *b, const struct vm_spec *spec, const struct hypervisor_ops *ops)
{
	struct err err = ERR_INIT;
	int r = 1;

	b->start = loop_now_ms();
	b->vm = vm_new(ops, spec, b->loop, on_event, on_process, b, &err);
	if (b->vm && vm_start(b->vm, &err) == 0) {
		b->limit = loop_add_timer(b->loop, AGENT_LIMIT_MS, on_limit, b);
		r = loop_run(b->loop);
	} else {
		printf("failed: %s\n", err_msg(&err));
	}
	vm_free(b->vm);
	return r;
}

int main(int argc, char **argv)
{
	auto_free char *dir = NULL, *share = NULL, *run = NULL;
	struct boot b = { .fd = -1 };
	struct err err = ERR_INIT;
	struct config *config;
	const struct hypervisor_ops *ops;
	int r;

	if (argc < 3) {
		fputs("usage: vm-boot CONFIG DIR [MS [AGAIN]]\n", stderr);
		return 2;
	}
	b.stay = argc > 3 ? atoi(argv[3]) : 0;
	b.again = argc > 4 ? atoi(argv[4]) : 0;
	log_open(2, "vm-boot", getenv("DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	dir = path_real(argv[2], &err);
	if (!dir) {
		printf("failed: %s\n", err_msg(&err));
		return 1;
	}
	share = path_join(dir, "share");
	run = path_join(dir, "run");
	dir_make(share, 0755, NULL);
	tree_remove(run, NULL);
	dir_make(run, 0700, NULL);
	config = config_load(argv[1], &err);
	ops = config ? hypervisor_for(config, &err) : NULL;
	b.loop = loop_new();
	if (!ops || !b.loop) {
		printf("failed: %s\n", err_msg(&err));
		r = 1;
	} else {
		struct size_host host = size_host();
		struct size_load load = { .vcpus = 0 };
		struct vm_spec spec = {
			.id = "vm-boot",
			.run_dir = run,
			.config = config,
			.size = size_boot(config, &host, &load,
					  hypervisor_caps(ops, config) & HV_CAP_CPU_HOTPLUG,
					  hypervisor_caps(ops, config) & HV_CAP_MEM_HOTPLUG),
			.share_dir = getenv("NO_SHARE") ? NULL : share,
			.share_tag = "kataShared",
			.netns = -1,
		};

		r = boot(&b, &spec, ops);
	}
	close_fd(&b.fd);
	loop_free(b.loop);
	config_free(config);
	return r;
}
