/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init: the first process of a machine whose image does not have the agent in
 * that place. It mounts what every program expects, starts the agent as an
 * ordinary child, and turns the machine off when the agent has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/config.h"
#include "guest/agent/init.h"

#define AGENT	    "/usr/bin/kata-agent"
#define CMDLINE_MAX 65536

static void log_to_console(void)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		log_open(fd, "init", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

static pid_t start_agent(void)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", name[] = AGENT;
	char *argv[] = { name, NULL }, *env[] = { path, NULL };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setsid();
	execve(AGENT, argv, env);
	log_error("%s: %s", AGENT, strerror(errno));
	_exit(127);
}

/* Waits for the agent, and for all that lost their parents until then. */
static void wait_for(pid_t agent)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(-1, &status, __WALL);
	} while (pid != agent && (pid > 0 || errno == EINTR));
	if (pid != agent)
		log_error("wait for the agent: %s", strerror(errno));
	else if (WIFSIGNALED(status))
		log_error("the agent was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		log_error("the agent ended with status %d", WEXITSTATUS(status));
}

static int run(struct err *err)
{
	pid_t agent;
	int r = init_machine(err);

	if (r < 0)
		return r;
	agent = start_agent();
	if (agent < 0)
		return err_sys(err, errno, "start %s", AGENT);
	wait_for(agent);
	return 0;
}

int main(void)
{
	struct err err = ERR_INIT;
	struct agent_config config;
	auto_str struct str text = STR_INIT;

	if (getpid() != 1) {
		fputs("init: this is for the first process of a machine\n", stderr);
		return EXIT_FAILURE;
	}
	config_init(&config);
	log_to_console();
	if (run(&err) < 0)
		log_error("%s", err_msg(&err));
	/* How the machine ends stands on the kernel's line. */
	if (file_read("/proc/cmdline", CMDLINE_MAX, &text, NULL) == 0)
		config_cmdline(&config, str_text(&text));
	init_power_off(&config);
}
