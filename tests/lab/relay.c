/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "init.h"
#include "wire.h"

static struct wire wire;
static pid_t command;
static int status = -1;		 /* its exit status, -1 while it runs */
static int in = -1;		 /* what is written there it reads */
static int outs[2] = { -1, -1 }; /* its output and error output */
static bool terminal, in_end;
static unsigned char input[WIRE_WINDOW];
static size_t input_size, input_done;

/* The port by its name: the kernel names the devices by number. */
static int open_port(void)
{
	char path[512], name[64];
	struct dirent *entry;
	DIR *dir;

	for (int tries = 0; tries < 500; tries++, usleep(10000)) {
		dir = opendir("/sys/class/virtio-ports");
		while (dir && (entry = readdir(dir))) {
			FILE *f;

			snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
				 entry->d_name);
			f = fopen(path, "re");
			name[0] = '\0';
			if (f && fgets(name, sizeof(name), f))
				name[strcspn(name, "\n")] = '\0';
			if (f)
				fclose(f);
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			if (!strcmp(name, WIRE_PORT)) {
				closedir(dir);
				return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
			}
		}
		if (dir)
			closedir(dir);
	}
	errno = ENODEV;
	return -1;
}

static void set_nonblock(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		die("O_NONBLOCK");
}

/* In the child: never comes back. */
static void run_command(const struct lab *lab, const int fds[3])
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	if (lab->terminal)
		ioctl(0, TIOCSCTTY, 0);
	if (!lab->cwd || chdir(lab->cwd) < 0) {
		fprintf(stderr, "lab: %s: %s\n", lab->cwd ? lab->cwd : "no directory",
			strerror(errno));
		_exit(127);
	}
	execvpe(lab->args[0], lab->args, lab->env);
	fprintf(stderr, "lab: %s: %s\n", lab->args[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void open_terminal(int theirs[3])
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		die("terminal");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		die("terminal");
	theirs[0] = theirs[1] = theirs[2] = slave;
	in = outs[0] = master;
}

static void start(const struct lab *lab)
{
	int pipes[3][2], theirs[3];

	terminal = lab->terminal;
	if (terminal) {
		open_terminal(theirs);
	} else {
		for (int i = 0; i < 3; i++)
			if (pipe2(pipes[i], O_CLOEXEC) < 0)
				die("pipe");
		in = pipes[0][1];
		outs[0] = pipes[1][0];
		outs[1] = pipes[2][0];
		theirs[0] = pipes[0][0];
		theirs[1] = pipes[1][1];
		theirs[2] = pipes[2][1];
	}
	set_nonblock(in);
	for (int i = 0; i < 2; i++)
		if (outs[i] >= 0)
			set_nonblock(outs[i]);
	/* The path of the caller is where the command is looked for. */
	for (char **e = lab->env; *e; e++)
		putenv(*e);
	command = fork();
	if (command < 0)
		die("fork");
	if (command == 0)
		run_command(lab, theirs);
	for (int i = 0; i < (terminal ? 1 : 3); i++)
		close(theirs[i]);
}

static void reap(int signals)
{
	struct signalfd_siginfo info;
	int code;
	pid_t pid;

	while (read(signals, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &code, WNOHANG)) > 0)
		if (pid == command)
			status = WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}

/* A terminal has no end of file of its own: its end is a character. */
static void end_input(void)
{
	if (terminal)
		return;
	if (in >= 0)
		close(in);
	in = -1;
}

static void feed(void)
{
	ssize_t n = 0;

	while (in >= 0 && input_done < input_size) {
		n = write(in, input + input_done, input_size - input_done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		input_done += (size_t)n;
		wire_put_u32(&wire, WIRE_TAKEN, (uint32_t)n);
	}
	if (n < 0 && errno != EAGAIN) {
		/* Nobody reads any more; what comes is thrown away. */
		wire_put_u32(&wire, WIRE_TAKEN, (uint32_t)(input_size - input_done));
		input_done = input_size;
		end_input();
	}
	if (input_done == input_size) {
		input_done = input_size = 0;
		if (in_end)
			end_input();
	}
}

static void take_input(const struct wire_frame *f)
{
	if (in < 0) {
		wire_put_u32(&wire, WIRE_TAKEN, f->size);
		return;
	}
	memmove(input, input + input_done, input_size - input_done);
	input_size -= input_done;
	input_done = 0;
	if (f->size > sizeof(input) - input_size)
		die("more input than the window holds");
	memcpy(input + input_size, f->data, f->size);
	input_size += f->size;
}

/* A line of a file of a process; what is not there is empty. */
static void read_line(const char *pid, const char *name, char *line, int size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, line, (size_t)size - 1);
	line[n > 0 ? n : 0] = '\0';
	for (ssize_t i = 0; i + 1 < n; i++)
		if (line[i] == '\0' || line[i] == '\n')
			line[i] = ' ';
	if (fd >= 0)
		close(fd);
}

/* All processes but the kernel's own, and where each sleeps. */
static void tell_processes(void)
{
	char line[128], sleeps[64], stat[160];
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		read_line(entry->d_name, "cmdline", line, sizeof(line));
		if (!*line)
			continue;
		read_line(entry->d_name, "wchan", sleeps, sizeof(sleeps));
		read_line(entry->d_name, "stat", stat, sizeof(stat));
		fprintf(stderr, "lab: %.60s: %s: %s\n", stat, sleeps, line);
	}
	if (dir)
		closedir(dir);
}

/*
 * A clock's event that was lost is never asked for again: the kernel believes that it is to
 * come, and whatever is later waits behind it; only what goes before it is told to the clock.
 * So a timer that ends as early as can be, on each processor, and all that is due follows.
 */
static void wake_clocks(void)
{
	static const struct itimerspec first = { .it_value = { .tv_nsec = 1 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	cpu_set_t one, all;

	if (timer < 0 || sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one) == 0)
			timerfd_settime(timer, TFD_TIMER_ABSTIME, &first, NULL);
	}
	sched_setaffinity(0, sizeof(all), &all);
	close(timer);
}

static void receive(void)
{
	struct wire_frame f;
	struct winsize size;
	int result;

	if (wire_fill(&wire) < 0)
		return; /* the keeper is gone or not yet there */
	while ((result = wire_next(&wire, &f)) > 0) {
		switch (f.type) {
		case WIRE_IN:
			take_input(&f);
			break;
		case WIRE_IN_END:
			in_end = true;
			break;
		case WIRE_SIGNAL:
			if (status < 0)
				kill(-command, (int)wire_u32(&f, 0));
			break;
		case WIRE_SIZE:
			size = (struct winsize){ .ws_row = (unsigned short)wire_u32(&f, 0),
						 .ws_col = (unsigned short)wire_u32(&f, 1) };
			if (terminal)
				ioctl(outs[0], TIOCSWINSZ, &size);
			break;
		case WIRE_TELL:
			tell_processes();
			wire_put(&wire, WIRE_TOLD, NULL, 0);
			break;
		case WIRE_POKE:
			wake_clocks();
			wire_put(&wire, WIRE_BEAT, NULL, 0);
			break;
		default:
			break;
		}
	}
	if (result < 0)
		die("the keeper's frames");
	feed();
}

/* Returns whether there was something. */
static bool take_output(int which)
{
	static unsigned char buffer[WIRE_MAX];
	ssize_t n;

	if (outs[which] < 0 || !wire_room(&wire))
		return false;
	n = read(outs[which], buffer, sizeof(buffer));
	if (n > 0) {
		wire_put(&wire, which ? WIRE_ERR : WIRE_OUT, buffer, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		if (outs[which] == in)
			in = -1;
		close(outs[which]);
		outs[which] = -1;
	}
	return false;
}

static void flush_all(void)
{
	struct pollfd p = { wire.fd, POLLOUT, 0 };

	while (wire_pending(&wire)) {
		wire_flush(&wire);
		poll(&p, 1, 100);
	}
}

/* What the command wrote before its end is still passed on. */
static _Noreturn void finish(void)
{
	int out_dir = open(LAB_OUT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (take_output(0) || take_output(1))
		flush_all();
	syncfs(out_dir);
	wire_put_u32(&wire, WIRE_EXIT, (uint32_t)status);
	flush_all();
	for (;;)
		pause(); /* the keeper ends the machine */
}

void relay(const struct lab *lab)
{
	const struct itimerspec second = { { 1, 0 }, { 0, 1000 } };
	int port, signals, timer;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	port = open_port();
	if (signals < 0 || timer < 0 || port < 0)
		die("relay");
	timerfd_settime(timer, 0, &second, NULL);
	wire_init(&wire, port);
	start(lab);
	while (status < 0) {
		bool room = wire_room(&wire);
		struct pollfd p[] = {
			{ port, (short)(POLLIN | (wire_pending(&wire) ? POLLOUT : 0)), 0 },
			{ signals, POLLIN, 0 },
			{ timer, POLLIN, 0 },
			{ room ? outs[0] : -1, POLLIN, 0 },
			{ room ? outs[1] : -1, POLLIN, 0 },
			{ input_done < input_size ? in : -1, POLLOUT, 0 },
		};
		uint64_t ticks;

		if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0 && errno != EINTR)
			die("poll");
		if (p[2].revents && read(timer, &ticks, sizeof(ticks)) > 0)
			wire_put(&wire, WIRE_BEAT, NULL, 0);
		if (p[0].revents & POLLIN)
			receive();
		if (p[5].revents)
			feed();
		for (int i = 0; i < 2; i++)
			if (p[3 + i].revents)
				take_output(i);
		wire_flush(&wire);
		if (p[1].revents)
			reap(signals);
	}
	finish();
}
