/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network is undone beside the machine's end, by a child: the kernel takes its time with
 * each interface that goes, tens of milliseconds, and holds up who asked for it.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/network_parts.h"

/* ---- the child --------------------------------------------------------------------------- */

/* Nothing but the namespace stays open: ends of others' connections are among the rest. */
static int keep(int netns)
{
	if (netns < 0)
		return -1;
	if (dup2(netns, STDERR_FILENO + 1) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0);
	return STDERR_FILENO + 1;
}

/* What fails is tried again by network_undo(), which tells. */
static void clear(const struct network *net)
{
	const struct strv *list = &net->sb->st->network;
	int netns = keep(net->netns);
	struct physical p;

	/* A device that the machine was given is its until it has ended. */
	for (size_t i = list->n; i-- > 0;)
		if (!physical_parse(list->v[i], &p))
			(void)net_undo(netns, list->v[i], NULL);
	for (size_t i = 0; i < net->n; i++) {
		auto_free char *entry = xasprintf("link %s", net->nics[i]->tap.name);

		if (net->nics[i]->own)
			(void)net_undo(netns, entry, NULL);
	}
}

static void run_child(const struct network *net)
{
	sigset_t none;

	log_open(-1, "", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* the journal has it all */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	clear(net);
	_exit(0);
}

/* ---- the parent -------------------------------------------------------------------------- */

static void on_reaped(pid_t pid, int status, void *arg)
{
	(void)pid;
	(void)status;
	(void)arg;
}

static void on_cleared(pid_t pid, int status, void *arg)
{
	struct network *net = arg;

	(void)pid;
	(void)status;
	net->clearing = NULL;
	end_look(net->sb);
}

static bool is_due(const struct network *net)
{
	bool own = false;

	for (size_t i = 0; i < net->n; i++)
		own |= net->nics[i]->own;
	return own || net->sb->st->network.n > 0;
}

void network_undo_begin(struct sandbox *sb)
{
	struct network *net = sb->net;

	if (!net || net->clearing || !is_due(net))
		return;
	net->clearer = fork();
	if (net->clearer == 0)
		run_child(net);
	/* Without it network_undo() does all of it. */
	if (net->clearer > 0)
		net->clearing = loop_add_child(sb->loop, net->clearer, -1, on_cleared, net);
}

bool network_undo_runs(const struct sandbox *sb)
{
	return sb->net && sb->net->clearing;
}

void network_undo_stop(struct sandbox *sb)
{
	if (!network_undo_runs(sb))
		return;
	(void)kill(sb->net->clearer, SIGKILL);
	loop_remove(&sb->net->clearing);
	/* Whoever is killed in the kernel may take a while; then it is reaped later. */
	loop_add_child(sb->loop, sb->net->clearer, -1, on_reaped, NULL);
}
