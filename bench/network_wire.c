/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an interface costs on the host, for bench/network.
 *
 *	network-wire NAMESPACE ROUNDS		look into it, make a tap for each interface, join
 *						them, undo all of it
 *	network-wire --run ROUNDS COMMAND…	a command that does the like
 *
 * Each says "WALL CPU": microseconds of a round.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/network/netns.h"
#include "host/network/wire.h"

#define ENTRIES 64

static char *entries[ENTRIES];
static size_t n_entries;

static int note(void *arg, const char *entry, struct err *why)
{
	(void)arg;
	if (n_entries == ENTRIES)
		return err_set(why, E2BIG, "too many steps");
	entries[n_entries++] = strdup(entry);
	return 0;
}

static void forget(void *arg, const char *entry)
{
	(void)arg;
	if (n_entries > 0 && !strcmp(entries[n_entries - 1], entry))
		free(entries[--n_entries]);
}

static void check(int r, const struct err *why)
{
	if (r < 0)
		errx(1, "%s", err_msg(why));
}

static void one_round(int netns)
{
	const struct net_journal journal = { note, forget, NULL };
	const struct net_wire w = { .netns = netns, .journal = &journal };
	const struct net_wishes wishes = { .model = NET_MODEL_TC, .queues = 1 };
	struct net_view view = { .links = NULL };
	struct net_plan plan = { .endpoints = NULL };
	struct net_tap taps[4];
	struct err why = ERR_INIT;

	check(net_scan(netns, &view, &why), &why);
	net_plan(&view, &wishes, &plan);
	if (plan.n == 0 || plan.n > ARRAY_SIZE(taps))
		errx(1, "%zu interfaces", plan.n);
	for (size_t i = 0; i < plan.n; i++) {
		check(net_wire_open(&w, &plan.endpoints[i], (unsigned)i, 1, &taps[i], &why), &why);
		check(net_wire_join(&w, &plan.endpoints[i], &taps[i], &why), &why);
	}
	for (size_t i = 0; i < plan.n; i++)
		net_tap_close(&taps[i]);
	while (n_entries > 0) {
		check(net_undo(netns, entries[--n_entries], &why), &why);
		free(entries[n_entries]);
	}
	net_plan_free(&plan);
	net_view_free(&view);
}

static void one_command(char **argv)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "%s: status %d", argv[0], status);
}

static long long micros(const struct timeval *t)
{
	return t->tv_sec * 1000000ll + t->tv_usec;
}

static long long cpu(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return micros(&u.ru_utime) + micros(&u.ru_stime);
}

static long long wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	bool command = argc > 3 && !strcmp(argv[1], "--run");
	int rounds = argc > 2 ? atoi(argv[2]) : 0, who = command ? RUSAGE_CHILDREN : RUSAGE_SELF;
	struct err why = ERR_INIT;
	long long from, used;
	int netns = -1;

	if (rounds <= 0 || (argc != 3 && !command))
		errx(2, "usage: network-wire NAMESPACE ROUNDS | --run ROUNDS COMMAND...");
	if (!command)
		check(netns = netns_open(argv[1], &why), &why);
	from = wall();
	used = cpu(who);
	for (int i = 0; i < rounds; i++) {
		if (command)
			one_command(argv + 3);
		else
			one_round(netns);
	}
	printf("%lld %lld\n", (wall() - from) / rounds, (cpu(who) - used) / rounds);
	return 0;
}
