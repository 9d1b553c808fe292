/* SPDX-License-Identifier: Apache-2.0 */
/* kata-vmm: one virtual machine, from its command line to its end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/version.h"
#include "vmm/arch/arch.h"
#include "vmm/cmdline.h"
#include "vmm/devices.h"
#include "vmm/jail.h"
#include "vmm/lead.h"
#include "vmm/machine.h"
#include "vmm/open.h"
#include "vmm/seccomp.h"
#include "vmm/virtio/vsock_table.h"

/* That vsock and the console may accept while the guest runs. */
#define CONNECTIONS_MAX (VSOCK_STREAMS_MAX + 8)

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

/* Whoever may stop it. */
static int lead(struct machine *m, const struct cmdline *c, struct control **control,
		struct err *err)
{
	if (!loop_add_signal(m->loop, SIGTERM, on_signal, m) ||
	    !loop_add_signal(m->loop, SIGINT, on_signal, m))
		return err_sys(err, errno, "cannot wait for signals");
	if (c->control || c->debug)
		machine_open_stats(m);
	if (!c->control)
		return 0;
	*control = lead_new(m, c->control, c->no_seccomp ? NULL : seccomp_sweeper, err);
	return *control ? 0 : err->code;
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
	return machine_load(m, kernel, initrd, err);
}

static int create(struct machine *m, const struct cmdline *c, struct loop *loop, int64_t epoch_us,
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
	int kvm = arch_look(err);

	if (kvm == 0)
		kvm = open_file("KVM", c->kvm, O_RDWR, err);
	return kvm < 0 ? kvm : machine_init(m, &config, kvm, loop, err);
}

static int build(struct machine *m, const struct cmdline *c, struct control **control,
		 struct err *err)
{
	int r = load(m, c, err);

	if (r == 0)
		r = machine_assemble(m, err);
	if (r == 0)
		r = devices_add(m, c, err);
	if (r == 0)
		r = machine_boot(m, c->line, err);
	if (r == 0)
		r = lead(m, c, control, err);
	return r;
}

/* From here on the process holds what it will ever hold, and then gives up all else. */
static int confine(struct machine *m, const struct cmdline *c, struct err *err)
{
	struct jail_config jail = { .descriptors = CONNECTIONS_MAX,
				    .file_size = RLIM_INFINITY,
				    .keep_netns = c->keep_netns };
	int r = c->no_jail ? 0 : jail_enter(&jail, err);

	if (r == 0)
		r = machine_start(m, c->no_seccomp ? NULL : seccomp_vcpu, err);
	if (r == 0 && !c->no_seccomp)
		r = seccomp_loop(err);
	return r;
}

static void tell_stats(struct machine *m)
{
	auto_str struct str text = STR_INIT;

	machine_stats(m, &text);
	log_info("%s", str_text(&text));
}

static int tell(struct control *control, const struct ending *ending)
{
	const char *word = vmm_end_word((enum vmm_end)ending->word);

	control_ended(control, (enum vmm_end)ending->word, ending->text);
	if (ending->word == ENDING_FAILED || ending->word == ENDING_TRIPLE_FAULT)
		log_error("the guest ended: %s%s%s", word, ending->text[0] ? ": " : "",
			  ending->text);
	return (int)ending->word;
}

static int run(const struct cmdline *c, int64_t epoch_us, struct loop *loop, struct err *err)
{
	static struct machine m;
	struct control *control = NULL;
	int r = create(&m, c, loop, epoch_us, err);

	if (r < 0)
		return r;
	r = build(&m, c, &control, err);
	if (r == 0)
		r = confine(&m, c, err);
	if (r == 0) {
		struct ending ending;

		if (c->debug)
			log_info("the guest starts after %lld us",
				 (long long)(now_us() - epoch_us));
		control_started(control);
		ending = machine_run(&m);
		if (c->debug)
			tell_stats(&m);
		r = tell(control, &ending);
	}
	control_free(control);
	machine_done(&m);
	return r;
}

/*
 * Whoever reads our standard error may sleep, and the log and a guest's first words must not
 * wait for him. A file takes all, and the log sees to a socket (log_never_wait).
 */
static void unblock_errors(void)
{
	int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	struct stat st;

	if (own >= 0 && fstat(own, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) &&
	    fd_own_nonblock(&own, O_WRONLY) == 0)
		dup2(own, STDERR_FILENO);
	close_fd(&own);
}

/* Where a careless parent closed one of the three, a file of ours would be taken for it. */
static void hold_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close_fd(&fd);
}

static int usage(const struct err *err)
{
	fprintf(stderr, "kata-vmm: %s (--help tells more)\n", err_msg(err));
	return VMM_EXIT_USAGE;
}

static int print(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? VMM_END_FAILED : 0;
}

int main(int argc, char **argv)
{
	static struct cmdline c;
	int64_t epoch_us = now_us();
	struct err err = ERR_INIT;
	struct loop *loop;
	int fds[CMDLINE_FDS_MAX];
	int status;

	if (cmdline_parse(&c, argc, argv, &err) < 0)
		return usage(&err);
	if (c.help)
		return print(cmdline_usage);
	if (c.version)
		return printf("kata-vmm %s\n", kata_version) < 0 ? VMM_END_FAILED : 0;
	hold_stdio();
	jail_close_others(fds, cmdline_fds(&c, fds));
	unblock_errors();
	signal(SIGPIPE, SIG_IGN); /* the other end of a console may go */
	log_open(STDERR_FILENO, c.id, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_never_wait();
	loop = loop_new();
	status = loop ? run(&c, epoch_us, loop, &err) : err_sys(&err, errno, "no event loop");
	if (status < 0)
		log_error("%s", err_msg(&err));
	loop_free(loop);
	return status < 0 ? VMM_END_FAILED : status;
}
