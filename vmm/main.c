/* SPDX-License-Identifier: Apache-2.0 */
/* kata-vmm: one virtual machine, from its command line to its end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/version.h"
#include "vmm/cmdline.h"
#include "vmm/devices.h"
#include "vmm/machine.h"
#include "vmm/open.h"

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	machine_end(arg, ENDING_STOPPED, info->ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
}

static int build(struct machine *m, const struct cmdline *c, struct loop *loop, int64_t epoch_us,
		 struct err *err)
{
	struct machine_config config = {
		.memory = c->memory_mib << 20,
		.shared_memory = c->shared_memory,
		.n_cpus = c->cpus,
		.acpi = !c->no_acpi,
		.debug = c->debug,
		.epoch_us = epoch_us,
	};
	int kvm = open_file("KVM", c->kvm, O_RDWR, err);
	int r = kvm < 0 ? kvm : machine_init(m, &config, kvm, loop, err);

	if (r < 0)
		return r;
	r = devices_add(m, c, err);
	if (r < 0)
		machine_done(m);
	return r;
}

static int load(struct machine *m, const struct cmdline *c, struct err *err)
{
	auto_close int kernel = open_file("kernel", c->kernel, O_RDONLY, err);
	auto_close int initrd = -1;

	if (kernel < 0)
		return kernel;
	if (c->initrd) {
		initrd = open_file("initrd", c->initrd, O_RDONLY, err);
		if (initrd < 0)
			return initrd;
	}
	return machine_boot(m, kernel, initrd, c->line, err);
}

/* Signals, then the last steps before guest code runs. */
static int prepare(struct machine *m, const struct cmdline *c, struct err *err)
{
	(void)c;
	(void)err;
	loop_add_signal(m->loop, SIGTERM, on_signal, m);
	loop_add_signal(m->loop, SIGINT, on_signal, m);
	/* jail_enter() and seccomp_load() come here. */
	return 0;
}

static int tell(const struct ending *ending)
{
	if (ending->word == ENDING_FAILED || ending->word == ENDING_TRIPLE_FAULT)
		log_error("the guest ended: %s%s%s", vmm_end_word((enum vmm_end)ending->word),
			  ending->text[0] ? ": " : "", ending->text);
	return (int)ending->word;
}

static int run(const struct cmdline *c, int64_t epoch_us)
{
	static struct machine m;
	struct err err = ERR_INIT;
	struct loop *loop = loop_new();
	struct ending ending;
	int r = loop ? build(&m, c, loop, epoch_us, &err) : err_sys(&err, errno, "no event loop");

	if (r == 0) {
		r = load(&m, c, &err);
		if (r == 0)
			r = prepare(&m, c, &err);
		if (r == 0)
			ending = machine_run(&m, NULL);
		machine_done(&m);
	}
	loop_free(loop);
	if (r == 0)
		return tell(&ending);
	log_error("%s", err_msg(&err));
	return VMM_END_FAILED;
}

int main(int argc, char **argv)
{
	static struct cmdline c;
	int64_t epoch_us = now_us();
	struct err err = ERR_INIT;

	log_open(STDERR_FILENO, "kata-vmm", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	if (cmdline_parse(&c, argc, argv, &err) < 0) {
		fprintf(stderr, "kata-vmm: %s (--help tells more)\n", err_msg(&err));
		return VMM_EXIT_USAGE;
	}
	if (c.help) {
		fputs(cmdline_usage, stdout);
		return 0;
	}
	if (c.version) {
		printf("kata-vmm %s\n", kata_version);
		return 0;
	}
	return run(&c, epoch_us);
}
