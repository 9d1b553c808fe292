/* SPDX-License-Identifier: Apache-2.0 */
/* What the host can tell of a sandbox, without asking the guest. */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/sandbox/core.h"
#include "prom/process.h"

const char *sandbox_guest_path(const struct sandbox *sb, const char *source)
{
	struct list *it;

	list_for_each(it, &sb->containers) {
		const struct container *c = container_of(it, struct container, link);

		for (size_t i = 0; i + 1 < c->shared.n; i += 2)
			if (!strcmp(c->shared.v[i], source))
				return c->shared.v[i + 1];
	}
	return NULL;
}

/* 0 when there is none. */
static pid_t file_server(const struct sandbox *sb)
{
	for (size_t i = 0; i < sb->st->n_processes; i++)
		if (!strcmp(sb->st->processes[i].name, "virtiofsd"))
			return sb->st->processes[i].pid;
	return 0;
}

void sandbox_metrics(const struct sandbox *sb, struct str *out)
{
	pid_t machine = sandbox_pid(sb), server = file_server(sb);

	if (machine > 0)
		prom_process(out, "kata_hypervisor_", "Hypervisor", machine, true);
	if (machine > 0 && server > 0)
		prom_process(out, "kata_virtiofsd_", "Virtiofsd", server, false);
	if (sb->vm)
		vm_metrics(sb->vm, out);
	prom_histogram_write(&sb->rpcs, out, "kata_shim_",
			     "agent_rpc_durations_histogram_milliseconds",
			     "RPC latency distributions of the agent.", "action");
}

void sandbox_usage(const struct sandbox *sb, struct prom_usage *sum)
{
	pid_t machine = sandbox_pid(sb);

	for (size_t i = 0; i < sb->st->n_processes; i++) {
		pid_t pid = sb->st->processes[i].pid;

		/* Others have the guest's memory mapped, too: it counts once. */
		if (pid != getpid())
			prom_usage_add(sum, pid, pid == machine);
	}
}
