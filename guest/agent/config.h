/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told: by a file, by the kernel's command line (agent.*, as
 * of Kata Containers) and by the environment, the later over the earlier.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"

#define AGENT_VSOCK_PORT   1024
#define AGENT_LOG_PORT	   1025
#define AGENT_PORT_NAME	   "org.kata-c.agent.0"
#define AGENT_LOG_NAME	   "org.kata-c.log.0"
#define AGENT_CONSOLE_NAME "org.kata-c.console.0"

struct agent_config {
	enum log_level log_level;
	char *server_addr;  /* NULL: what the guest offers */
	char *policy_file;  /* NULL: all is allowed */
	unsigned log_vport; /* vsock port for the log; 0: none */
	bool debug_console;
	unsigned debug_console_vport; /* vsock port for it; 0: the machine's console */
	unsigned passfd_vport;	      /* vsock port for streams; 0: none */
	int hotplug_ms;		      /* how long a device is awaited */
	int pipe_size;	   /* bytes of a container's stdio pipes; 0: the kernel's choice */
	bool restart_ends; /* "reboot=" is given: restarting ends the machine */
};

void config_init(struct agent_config *c);
void config_done(struct agent_config *c);

/*
 * One "agent.x=y" (or another word of the command line) in place. Unknown
 * words are not ours and ignored; a known one with a bad value is -EINVAL.
 */
int config_word(struct agent_config *c, const char *word, struct err *err);

/* All words of @cmdline (proc_cmdline(5), quotes as the kernel's). Bad values are
 * logged and ignored: a machine that boots is better than one that does not. */
void config_cmdline(struct agent_config *c, const char *cmdline);

/*
 * A file in TOML with the keys of the original, which are the words above
 * without "agent.", some of them spelled otherwise (log_level, dev_mode).
 * Unknown keys are logged and ignored; a value of the wrong kind is -EINVAL.
 */
int config_file(struct agent_config *c, const char *path, struct err *err);

/* KATA_AGENT_SERVER_ADDR, KATA_AGENT_LOG_LEVEL, KATA_AGENT_POLICY_FILE. */
int config_environment(struct agent_config *c, struct err *err);

/* The path (or "@name") of the unix socket that it serves; NULL when that is none. */
const char *config_unix_path(const struct agent_config *c);

#endif
