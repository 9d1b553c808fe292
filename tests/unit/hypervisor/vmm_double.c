/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of kata-vmm: takes its command line, speaks its protocol and has no
 * machine. What it does is the name of the sandbox (--id):
 *
 *	dies		before it says anything
 *	silent		says nothing
 *	garbage		says what is no message
 *	closes		closes the control connection after the start, and stays
 *	panic		starts; the guest panics
 *	poweroff	starts; the guest powers off
 *	mute		starts; the guest resets, and has said nothing
 *	lingers		as poweroff, but stays
 *	repeats		as lingers, and says so again and again
 *	stubborn	starts; answers no request
 *	agent		starts; refuses to pause, then two connections, and accepts the others
 *	tells		starts; before that, writes what it was handed into the file that the
 *			kernel parameter told=PATH names, a line for each: "--kernel /k/vmlinux"
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmm/protocol.h"

static int control = -1, vsock = -1;

static void say(const char *line)
{
	if (send(control, line, strlen(line), MSG_NOSIGNAL) < 0)
		exit(9);
}

/* Serve until the driver goes. */
static void serve(bool busy)
{
	char line[VMM_MESSAGE_MAX + 1];
	ssize_t n;

	while ((n = recv(control, line, sizeof(line) - 1, 0)) > 0) {
		line[n] = '\0';
		if (busy && !strcmp(line, VMM_REQUEST_PAUSE)) {
			say("error a disk is busy");
		} else if (!strcmp(line, VMM_REQUEST_STOP)) {
			say("ok");
			say("event ended stopped");
			exit(VMM_END_STOPPED);
		} else {
			say("ok");
		}
	}
	exit(VMM_END_STOPPED);
}

static void be_agent(void)
{
	static const char *const answers[] = { "", "no such port\n", "OK 1073741824\nagent" };
	char line[64];

	fd_set_nonblock(vsock, false);
	for (int i = 0; i < 3; i++) {
		int fd = accept(vsock, NULL, NULL);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

		line[n > 0 ? n : 0] = '\0';
		if (strcmp(line, "CONNECT 1024\n") != 0)
			exit(9);
		fd_write_full(fd, answers[i], strlen(answers[i]));
		close(fd);
	}
	serve(true);
}

/* "OPTION FILE", and what of its descriptor is not read and write. */
static void tell(FILE *out, const char *option, const char *value)
{
	char link[64], file[PATH_MAX];
	const char *end = strchr(value, ',');
	int fd, flags;
	ssize_t n;

	if (sscanf(value, "fd:%d", &fd) != 1 && sscanf(value, "fd=%d", &fd) != 1)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, file, sizeof(file) - 1);
	flags = fcntl(fd, F_GETFL);
	if (n < 0 || flags < 0)
		exit(9);
	file[n] = '\0';
	fprintf(out, "%s %s%s%s%s\n", option, file,
		(flags & O_ACCMODE) == O_RDONLY ? " read-only" : "",
		flags & O_DIRECT ? " direct" : "", end ? end : "");
}

static void tell_all(int argc, char **argv)
{
	const char *path = NULL;
	char word[PATH_MAX];
	FILE *out;

	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--cmdline"))
			path = strstr(argv[i + 1], "told=");
	if (!path || sscanf(path, "told=%4000s", word) != 1)
		exit(9);
	out = fopen(word, "we");
	if (!out)
		exit(9);
	for (int i = 1; i + 1 < argc; i++)
		tell(out, argv[i], argv[i + 1]);
	if (fclose(out) != 0)
		exit(9);
}

static int act(const char *id)
{
	if (!strcmp(id, "dies")) {
		fputs("kata-vmm: --memory: no room\n", stderr);
		return 1;
	}
	if (!strcmp(id, "silent"))
		pause();
	if (!strcmp(id, "garbage")) {
		say("hello");
		pause();
	}
	say("event started");
	if (!strcmp(id, "closes")) {
		close(control);
		pause();
	}
	if (!strcmp(id, "panic")) {
		say("event ended panic Attempted to kill init!");
		return VMM_END_PANIC;
	}
	if (!strcmp(id, "mute")) {
		say("event ended reset");
		return VMM_END_RESET;
	}
	if (!strcmp(id, "poweroff") || !strcmp(id, "lingers"))
		say("event ended poweroff");
	if (!strcmp(id, "poweroff"))
		return VMM_END_POWEROFF;
	while (!strcmp(id, "repeats")) {
		say("event ended poweroff");
		usleep(100000);
	}
	if (!strcmp(id, "lingers") || !strcmp(id, "stubborn"))
		pause();
	if (!strcmp(id, "agent"))
		be_agent();
	serve(false);
	return 0;
}

int main(int argc, char **argv)
{
	const char *id = "";
	int console = -1;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(argv[i], "--control"))
			sscanf(value, "fd:%d", &control);
		else if (!strcmp(argv[i], "--vsock"))
			sscanf(value, "fd:%d,", &vsock);
		else if (!strcmp(argv[i], "--console"))
			sscanf(value, "fd:%d", &console);
		else if (!strcmp(argv[i], "--id"))
			id = value;
	}
	if (control < 0 || vsock < 0 || console < 0)
		return VMM_EXIT_USAGE;
	if (strcmp(id, "mute") != 0)
		fd_write_full(console, "no root\n", strlen("no root\n"));
	if (!strcmp(id, "tells"))
		tell_all(argc, argv);
	return act(id);
}
