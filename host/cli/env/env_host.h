/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of kata-env. */
#ifndef HOST_CLI_ENV_ENV_HOST_H
#define HOST_CLI_ENV_ENV_HOST_H

#include "host/cli/env/env.h"

/*
 * Name and version of the distribution from the text of os-release(5). What it
 * does not say, or what @host has already, is left alone.
 */
void env_parse_os_release(struct env_host *host, const char *text);
/* Vendor and model of the first processor in the text of /proc/cpuinfo. */
void env_parse_cpuinfo(struct env_host *host, const char *text);
/* Total, free and available memory in the text of /proc/meminfo. */
void env_parse_meminfo(struct env_host *host, const char *text);

/* Fill @host from this host, but for vm_container_capable. 0, or -errno and @err. */
int env_collect_host(struct env_host *host, struct err *err);

#endif
