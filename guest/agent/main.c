/* SPDX-License-Identifier: Apache-2.0 */
/* kata-agent: starts and keeps the containers of a sandbox, inside its machine. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/agent.h"
#include "guest/agent/debug_console.h"
#include "guest/agent/device_wait.h"
#include "guest/agent/init.h"
#include "guest/agent/job.h"
#include "guest/agent/log_port.h"
#include "guest/agent/passfd.h"
#include "guest/agent/policy.h"
#include "guest/agent/reaper.h"
#include "guest/agent/transport.h"
#include "guest/agent/uevent.h"

#define CMDLINE_MAX    65536
#define PID_NS_INITIAL 0xEFFFFFFCU /* PROC_PID_INIT_INO of include/linux/proc_ns.h */

struct arguments {
	const char *file; /* -c */
	bool version;
};

static int usage(void)
{
	fputs("usage: kata-agent [-c FILE] [--version] [init]\n", stderr);
	return -EINVAL;
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:v", options, NULL)) != -1) {
		if (c == 'c')
			a->file = optarg;
		else if (c == 'v')
			a->version = true;
		else
			return usage();
	}
	if (optind < argc && !strcmp(argv[optind], "init")) {
		fputs("kata-agent: init is for the first process of a machine\n", stderr);
		return -EPERM;
	}
	return optind < argc ? usage() : 0;
}

/*
 * The first process of a container is no machine's. Before /proc is mounted, as
 * in an initial file system, there is no container either.
 */
static bool is_machine(void)
{
	struct stat st;

	return getpid() == 1 && (stat("/proc/self/ns/pid", &st) < 0 || st.st_ino == PID_NS_INITIAL);
}

/*
 * Started by an init of the machine: it serves the machine all the same. Who
 * listens on a unix socket is called by somebody in the same machine, and is a
 * local process.
 */
static bool is_service(const struct agent *agent)
{
	struct stat st;

	return geteuid() == 0 && !config_unix_path(&agent->config) &&
	       stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == PID_NS_INITIAL;
}

static void read_cmdline(struct agent_config *config)
{
	auto_str struct str text = STR_INIT;

	if (file_read("/proc/cmdline", CMDLINE_MAX, &text, NULL) == 0)
		config_cmdline(config, str_text(&text));
}

/* A local process listens to its environment only: the host's kernel line is not meant for it. */
static int configure(struct agent *agent, const struct arguments *a, struct err *err)
{
	int r = a->file ? config_file(&agent->config, a->file, err) : 0;

	if (r == 0)
		r = config_environment(&agent->config, err);
	if (r < 0)
		return r;
	agent->guest = agent->init || is_service(agent);
	if (agent->guest) {
		read_cmdline(&agent->config);
		r = config_environment(&agent->config, err);
	}
	if (r == 0 && agent->config.policy_file)
		r = policy_load(agent->config.policy_file, err);
	return r;
}

static void on_end(const struct signalfd_siginfo *info, void *arg)
{
	log_info("signal %u, ending", info->ssi_signo);
	sandbox_destroy(arg, NULL);
}

static int start(struct agent *agent, struct err *err)
{
	int r = reaper_open(agent->loop, err);

	if (r == 0)
		r = ns_open_own(err);
	if (r < 0)
		return r;
	loop_add_signal(agent->loop, SIGTERM, on_end, agent);
	loop_add_signal(agent->loop, SIGINT, on_end, agent);
	agent->server = ttrpc_server_new(agent->loop);
	rpc_register(agent);
	return transport_open(agent, err);
}

static int serve(struct agent *agent)
{
	struct err err = ERR_INIT;
	int r = start(agent, &err);

	if (r < 0) {
		log_error("%s", err_msg(&err));
		return r;
	}
	log_info("kata-agent " AGENT_VERSION " is ready");
	debug_console_open(agent);
	passfd_open(agent);
	if (!agent->guest)
		log_port_open(agent);
	r = loop_run(agent->loop);
	if (r < 0)
		log_error("the agent ends: %s", strerror(-r));
	job_close(agent->loop);
	debug_console_close();
	passfd_close();
	log_port_close();
	transport_close();
	ttrpc_server_free(agent->server);
	return r;
}

static void agent_init(struct agent *agent, bool init)
{
	*agent = (struct agent){ .init = init, .guest = init, .shared = { -1, -1, -1 } };
	config_init(&agent->config);
	list_init(&agent->containers);
	list_init(&agent->storages);
	list_init(&agent->storage_ops);
	list_init(&agent->oom_events);
	list_init(&agent->oom_calls);
}

static int run(struct agent *agent, const struct arguments *a)
{
	struct err err = ERR_INIT;
	int r;

	agent->loop = loop_new();
	if (!agent->loop) {
		r = -errno;
		log_error("event loop: %s", strerror(-r));
		return r;
	}
	r = configure(agent, a, &err);
	if (r < 0) {
		log_error("%s", err_msg(&err));
		/* A machine that answers is better than one that is configured well. */
		if (!agent->init)
			return r;
	}
	log_set_level(agent->config.log_level);
	device_wait_ms = agent->config.hotplug_ms;
	job_limit_ms += device_wait_ms;
	if (agent->guest) {
		init_modules();
		log_port_open(agent);
		uevent_watch_memory(agent);
	}
	return serve(agent);
}

/* The first process of the machine: it must never return. */
static void run_machine(struct agent *agent, const struct arguments *a)
{
	struct err err = ERR_INIT;
	int r;

	transport_early();
	log_port_early();
	r = init_machine(&err);
	log_port_console(agent);
	if (r < 0)
		log_error("%s", err_msg(&err));
	else
		run(agent, a);
	init_power_off(&agent->config);
}

int main(int argc, char **argv)
{
	struct arguments a = { .file = NULL };
	bool machine = is_machine();
	struct agent agent;
	int r;

	/* The kernel gives its first process words of its own command line. */
	if (!machine && parse_arguments(argc, argv, &a) < 0)
		return EXIT_FAILURE;
	if (a.version) {
		puts("Kata Containers Agent version: " AGENT_VERSION);
		return EXIT_SUCCESS;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	agent_init(&agent, machine);
	if (agent.init)
		run_machine(&agent, &a);
	log_port_console(&agent);
	r = run(&agent, &a);
	reaper_close();
	loop_free(agent.loop);
	config_done(&agent.config);
	policy_done();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
