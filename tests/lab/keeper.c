/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper -t LIMIT -f FREEZE -b BOOT -c CONSOLE [-T] -- MACHINE...
 * keeper -k: prints how many thousand times a second this processor's time
 * stamp counter counts; what is emulated counts the same.
 *
 * Starts MACHINE (tests/lab/run --machine, which becomes QEMU) in a pid, a mount
 * and a network namespace of its own, so that nothing of it outlives this
 * process. Its descriptor 3 is the other end of the wire; 4 and 5 listen at the
 * abstract addresses "root" and "out" for those who serve files. Passes standard
 * input, output, error and signals; ends with the command's status.
 *
 * 124: not done within LIMIT seconds. 125: no sign of life for FREEZE seconds,
 * or none at all within BOOT, or the machine ended; twice, because the first
 * time it is started again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define LIMIT_STATUS  124
#define BROKEN_STATUS 125
#define TELL_MS	      3000 /* for what is inside to say what it does */
#define POKE_MS	      2000 /* of silence until the machine is woken, again and again */
#define GRACE_MS      5000 /* from a signal that ends the command to the machine's end */

enum end { RUNNING, EXITED, LIMIT, FROZEN, DIED, SIGNALLED };

static struct {
	long limit_ms, freeze_ms, boot_ms;
	const char *console;
	bool terminal;
	char **machine;
} options = { 300000, 30000, 90000, "/dev/null", false, NULL };

static struct wire wire;
static int signals;
static pid_t machine;
static enum end end;
static int status, signal_got;
static int64_t begun, started, alive, killed_at, asked_at, poked_at;
static bool beat, input_end, input_given;
static size_t window;		 /* of input that may still be sent */
static struct wire_frame output; /* of which so many bytes are written: */
static size_t output_done;
static struct termios saved;

static void say(const char *format, ...)
{
	va_list args;

	fputs("lab: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(options.terminal ? "\r\n" : "\n", stderr);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void show_console(void)
{
	char text[4096], *from = text;
	int fd = open(options.console, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0 && lseek(fd, -(off_t)sizeof(text) + 1, SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	if (n <= 0) {
		say("its console is empty");
		return;
	}
	text[n] = '\0';
	say("the end of its console:");
	for (char *line = strsep(&from, "\n"); line; line = strsep(&from, "\n")) {
		line[strcspn(line, "\r")] = '\0';
		if (*line)
			say("| %s", line);
	}
}

/* A descriptor is at most what the machine expects it to be: what it displaces is not needed. */
static void put_fd(int fd, int as)
{
	if (fd == as)
		fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, as) < 0)
		_exit(BROKEN_STATUS);
}

/* virtiofsd given a path leaves a pid file, the same one for all labs. */
static void listen_as(const char *name, int as)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path + 1, name, strlen(name));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0) {
		say("socket %s: %s", name, strerror(errno));
		_exit(BROKEN_STATUS);
	}
	if (fd != as) {
		put_fd(fd, as);
		close(fd);
	}
}

static _Noreturn void become_machine(int fd)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	put_fd(null, 0);
	put_fd(2, 1);
	/* Above all those that are given away. */
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	put_fd(fd, 3);
	listen_as("root", 4);
	listen_as("out", 5);
	execvp(options.machine[0], options.machine);
	say("%s: %s", options.machine[0], strerror(errno));
	_exit(BROKEN_STATUS);
}

static void start_machine(void)
{
	const int namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		say("socketpair: %s", strerror(errno));
		exit(BROKEN_STATUS);
	}
	machine = (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, 0, 0, 0, 0);
	if (machine == 0)
		become_machine(pair[1]);
	if (machine < 0) {
		say("a process in namespaces of its own: %s", strerror(errno));
		exit(BROKEN_STATUS);
	}
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	wire_init(&wire, pair[0]);
	end = RUNNING;
	beat = false;
	window = WIRE_WINDOW;
	output.size = 0;
	output_done = 0;
	started = alive = now_ms();
}

/* All processes of its namespace go with it. */
static void end_machine(void)
{
	kill(machine, SIGKILL);
	while (waitpid(machine, NULL, 0) < 0 && errno == EINTR)
		;
	close(wire.fd);
}

static void send_size(void)
{
	struct winsize size;
	uint32_t both[2];

	if (ioctl(0, TIOCGWINSZ, &size) < 0)
		return;
	both[0] = size.ws_row;
	both[1] = size.ws_col;
	wire_put(&wire, WIRE_SIZE, both, sizeof(both));
}

/* The command gets it; one that ends commands ends the lab a little later at the latest. */
static void pass_signal(void)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		int number = (int)info.ssi_signo;

		if (number == SIGCHLD)
			continue;
		if (number == SIGWINCH) {
			send_size();
			continue;
		}
		wire_put_u32(&wire, WIRE_SIGNAL, (uint32_t)number);
		if (number == SIGUSR1 || number == SIGUSR2 || killed_at)
			continue;
		signal_got = number;
		killed_at = now_ms();
		if (!beat)
			end = SIGNALLED;
	}
}

static void read_input(void)
{
	unsigned char buffer[WIRE_MAX];
	size_t want = window < sizeof(buffer) ? window : sizeof(buffer);
	ssize_t n = read(0, buffer, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		input_end = true;
		wire_put(&wire, WIRE_IN_END, NULL, 0);
		return;
	}
	input_given = true;
	window -= (size_t)n;
	wire_put(&wire, WIRE_IN, buffer, (size_t)n);
}

/*
 * So much at a time as a pipe that poll() calls writable takes without
 * blocking: its reader may be slow, and O_NONBLOCK would be everybody's.
 */
static void write_output(void)
{
	size_t left = output.size - output_done, part = left < 4096 ? left : 4096;
	ssize_t n = write(output.type == WIRE_OUT ? 1 : 2, output.data + output_done, part);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		/* As the command itself would end that nobody listens to. */
		end = SIGNALLED;
		signal_got = SIGPIPE;
		return;
	}
	output_done += (size_t)n;
	if (output_done == output.size)
		output.size = output_done = 0;
}

/* Until there is something to write, or nothing any more. */
static void take_frames(void)
{
	struct wire_frame f;
	int result;

	while (!output.size && end == RUNNING && (result = wire_next(&wire, &f))) {
		if (result < 0) {
			say("what comes out of it makes no sense");
			end = DIED;
			return;
		}
		switch (f.type) {
		case WIRE_OUT:
		case WIRE_ERR:
			output = f;
			break;
		case WIRE_TAKEN:
			window += wire_u32(&f, 0);
			break;
		case WIRE_TOLD:
			end = LIMIT;
			break;
		case WIRE_EXIT:
			status = (int)wire_u32(&f, 0);
			end = EXITED;
			break;
		default:
			break;
		}
	}
}

static void receive(void)
{
	int n = wire_fill(&wire);

	if (n < 0) {
		end = DIED;
		return;
	}
	if (n > 0) {
		beat = true;
		alive = now_ms();
	}
}

/*
 * The emulation loses the interrupt of a timer now and then, and then the machine's clocks
 * stand for ever. Any other interrupt wakes relay.c, which sets them going.
 */
static void poke(int64_t now)
{
	if (!beat || now - alive < POKE_MS || now - poked_at < POKE_MS)
		return;
	poked_at = now;
	wire_put(&wire, WIRE_POKE, NULL, 0);
}

static void check_time(void)
{
	int64_t now = now_ms();

	/* Nobody reads the output, so nothing is heard from inside either. */
	if (output.size)
		alive = now;
	poke(now);
	if (now - begun > options.limit_ms && !asked_at) {
		asked_at = now;
		wire_put(&wire, WIRE_TELL, NULL, 0);
	}
	if (asked_at && now - asked_at > TELL_MS)
		end = LIMIT;
	else if (killed_at && now - killed_at > GRACE_MS)
		end = SIGNALLED;
	else if (now - (beat ? alive : started) > (beat ? options.freeze_ms : options.boot_ms))
		end = FROZEN;
}

static void run_machine(void)
{
	start_machine();
	if (options.terminal)
		send_size();
	if (input_end)
		wire_put(&wire, WIRE_IN_END, NULL, 0);
	while (end == RUNNING) {
		bool listen = !input_end && beat && window && wire_room(&wire);
		int out = !output.size ? -1 : output.type == WIRE_OUT ? 1 : 2;
		struct pollfd p[] = {
			{ wire.fd,
			  (short)((out < 0 ? POLLIN : 0) | (wire_pending(&wire) ? POLLOUT : 0)),
			  0 },
			{ signals, POLLIN, 0 },
			{ listen ? 0 : -1, POLLIN, 0 },
			{ out, POLLOUT, 0 },
		};

		poll(p, sizeof(p) / sizeof(p[0]), 250);
		if (p[1].revents)
			pass_signal();
		if (p[2].revents)
			read_input();
		if (p[3].revents)
			write_output();
		if (end == RUNNING && !output.size && (p[0].revents & (POLLIN | POLLHUP)))
			receive();
		take_frames();
		if (end == RUNNING && wire_flush(&wire) < 0)
			end = DIED;
		if (end == RUNNING)
			check_time();
	}
	end_machine();
}

static void set_terminal(bool raw)
{
	struct termios t = saved;

	if (!options.terminal)
		return;
	if (raw)
		cfmakeraw(&t);
	tcsetattr(0, TCSADRAIN, &t);
}

static bool start_again(bool again)
{
	if (end == FROZEN && beat)
		say("no sign of life for %ld s", options.freeze_ms / 1000);
	else if (end == FROZEN)
		say("not up within %ld s", options.boot_ms / 1000);
	else
		say("the machine ended before the command");
	show_console();
	if (again)
		say("that was the second time");
	else if (input_given)
		say("not started again: its input cannot be given twice");
	else
		say("starting it again, with the command from its beginning");
	return !again && !input_given;
}

static int conclude(void)
{
	for (bool again = false;; again = true) {
		run_machine();
		switch (end) {
		case EXITED:
			return status;
		case LIMIT:
			say("not done within %ld s", options.limit_ms / 1000);
			show_console();
			return LIMIT_STATUS;
		case SIGNALLED:
			return 128 + signal_got;
		default:
			if (!start_again(again))
				return BROKEN_STATUS;
		}
	}
}

#ifdef __x86_64__
/* The best of a few: whoever is interrupted between the two clocks measures too much. */
static void print_tsc_khz(void)
{
	double best = 0, least = 1e18;

	for (int i = 0; i < 5; i++) {
		struct timespec a, b, c;
		unsigned long long from, to;
		double ns, gap;

		clock_gettime(CLOCK_MONOTONIC, &a);
		from = __builtin_ia32_rdtsc();
		usleep(20000);
		clock_gettime(CLOCK_MONOTONIC, &b);
		to = __builtin_ia32_rdtsc();
		clock_gettime(CLOCK_MONOTONIC, &c);
		ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
		gap = (double)(c.tv_sec - b.tv_sec) * 1e9 + (double)(c.tv_nsec - b.tv_nsec);
		if (gap < least) {
			least = gap;
			best = (double)(to - from) * 1e6 / ns;
		}
	}
	printf("%.0f\n", best);
}
#else
static void print_tsc_khz(void)
{
	puts("0");
}
#endif

static void parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "+t:f:b:c:Tk")) != -1) {
		switch (o) {
		case 't':
			options.limit_ms = atol(optarg) * 1000;
			break;
		case 'f':
			options.freeze_ms = atol(optarg) * 1000;
			break;
		case 'b':
			options.boot_ms = atol(optarg) * 1000;
			break;
		case 'c':
			options.console = optarg;
			break;
		case 'k':
			print_tsc_khz();
			exit(0);
		case 'T':
			options.terminal = tcgetattr(0, &saved) == 0;
			break;
		default:
			exit(BROKEN_STATUS);
		}
	}
	options.machine = argv + optind;
	if (!*options.machine) {
		say("no machine to keep");
		exit(BROKEN_STATUS);
	}
}

int main(int argc, char **argv)
{
	static const int passed[] = { SIGCHLD, SIGHUP,	SIGINT,	 SIGQUIT,
				      SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH };
	sigset_t mask;
	int result;

	parse_options(argc, argv);
	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&mask, passed[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	/* The caller's end is that of the lab. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	begun = now_ms();
	set_terminal(true);
	result = conclude();
	set_terminal(false);
	return result;
}
