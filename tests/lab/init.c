/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the lab: loads the modules, makes the root (this
 * checkout's machine, read-only, under a tmpfs), and hands over to relay().
 *
 * The initrd holds, besides this program, /modules.list and /modules/, and in
 * /lab/ what tests/lab/run says about this run: args and env (each string ended
 * by NUL), cwd, and keep: directories that are to be seen though they lie below
 * one that is private here.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct mount_point {
	const char *source, *target, *type, *options;
	bool optional;
} early[] = {
	{ "proc", "/proc", "proc", NULL, false },
	{ "sysfs", "/sys", "sysfs", NULL, false },
	{ "devtmpfs", "/dev", "devtmpfs", "mode=755", false },
}, late[] = {
	{ "devpts", "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666", false },
	{ "tmpfs", "/dev/shm", "tmpfs", "mode=1777", false },
	{ "mqueue", "/dev/mqueue", "mqueue", NULL, true },
	{ "hugetlbfs", "/dev/hugepages", "hugetlbfs", NULL, true },
	{ "tmpfs", "/run", "tmpfs", "mode=755", false },
	{ "tmpfs", "/tmp", "tmpfs", "mode=1777", false },
	{ "cgroup2", "/sys/fs/cgroup", "cgroup2", "nsdelegate,memory_recursiveprot", false },
	{ "bpf", "/sys/fs/bpf", "bpf", NULL, true },
	{ "securityfs", "/sys/kernel/security", "securityfs", NULL, true },
	{ "debugfs", "/sys/kernel/debug", "debugfs", NULL, true },
	{ "tracefs", "/sys/kernel/tracing", "tracefs", NULL, true },
	{ "labout", LAB_OUT, "virtiofs", NULL, false },
};

/* The console is shown when the lab ends without an exit status. */
void die(const char *what)
{
	fprintf(stderr, "lab: %s: %s\n", what, strerror(errno));
	reboot(RB_POWER_OFF);
	_exit(1);
}

void make_dirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	mkdir(path, 0755);
}

static void mount_one(const struct mount_point *m)
{
	char target[64];

	snprintf(target, sizeof(target), "%s", m->target);
	make_dirs(target);
	if (mount(m->source, target, m->type, 0, m->options) < 0 && !m->optional)
		die(m->target);
}

/* A file of the initrd, with a NUL behind its end. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	text = malloc((size_t)st.st_size + 1);
	if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
		die(path);
	close(fd);
	text[st.st_size] = '\0';
	if (size)
		*size = (size_t)st.st_size;
	return text;
}

/* The strings of a file, each ended by NUL, then NULL. */
static char **read_strings(const char *path)
{
	size_t size, count = 0, at = 0;
	char *text = read_file(path, &size), **strings;

	for (size_t i = 0; i < size; i++)
		count += text[i] == '\0';
	strings = calloc(count + 1, sizeof(*strings));
	if (!strings)
		die(path);
	for (size_t i = 0; i < count; i++) {
		strings[i] = text + at;
		at += strlen(strings[i]) + 1;
	}
	return strings;
}

static void load_modules(void)
{
	char *list = read_file("/modules.list", NULL), path[128];

	for (char *name = strtok(list, "\n"); name; name = strtok(NULL, "\n")) {
		const char *parameters;
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* Otherwise a network device comes with it. */
		parameters = strcmp(name, "dummy.ko") ? "" : "numdummies=0";
		if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST))
			fprintf(stderr, "lab: module %s: %s\n", name, strerror(errno));
		close(fd);
	}
}

/* What udev makes elsewhere. */
static void link_descriptors(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
			die(links[i][1]);
}

static void make_root(void)
{
	mkdir("/host", 0755);
	mkdir("/up", 0755);
	mkdir("/new", 0755);
	if (mount("labroot", "/host", "virtiofs", MS_RDONLY, NULL) < 0)
		die("the root of virtiofs");
	if (mount("up", "/up", "tmpfs", 0, "mode=755,size=75%") < 0 || mkdir("/up/u", 0755) < 0 ||
	    mkdir("/up/w", 0755) < 0)
		die("/up");
	if (mount("lab", "/new", "overlay", 0, "lowerdir=/host,upperdir=/up/u,workdir=/up/w") < 0)
		die("the overlay");
}

static void enter_root(void)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev" };
	char target[32];

	for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
		snprintf(target, sizeof(target), "/new%s", moved[i]);
		mkdir(target, 0755);
		if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
			die(target);
	}
	if (chdir("/new") < 0 || mount("/new", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		die("the new root");
	if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
		die("shared mounts");
}

/* What lies below a directory that becomes private is bound to its old place. */
static void mount_late(char **keep)
{
	size_t count = 0;
	char source[32];
	int *fds;

	while (keep[count])
		count++;
	fds = calloc(count + 1, sizeof(*fds));
	if (!fds)
		die("keep");
	for (size_t i = 0; i < count; i++)
		fds[i] = open(keep[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(late); i++)
		mount_one(&late[i]);
	for (size_t i = 0; i < count; i++) {
		if (fds[i] < 0)
			continue;
		make_dirs(keep[i]);
		snprintf(source, sizeof(source), "/proc/self/fd/%d", fds[i]);
		if (mount(source, keep[i], NULL, MS_BIND, NULL) < 0)
			die(keep[i]);
		close(fds[i]);
	}
	free(fds);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "lab: %s: %s\n", path, strerror(errno));
	close(fd);
}

/* All controllers, for all groups that will be made. */
static void enable_controllers(void)
{
	char *save = NULL, text[256], one[32];
	int fd = open("/sys/fs/cgroup/cgroup.controllers", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	if (n <= 0)
		die("cgroup.controllers");
	text[n] = '\0';
	for (char *c = strtok_r(text, " \n", &save); c; c = strtok_r(NULL, " \n", &save)) {
		snprintf(one, sizeof(one), "+%s", c);
		write_file("/sys/fs/cgroup/cgroup.subtree_control", one);
	}
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		die("lo");
	close(fd);
}

static void set_limits(void)
{
	struct rlimit files = { 1024, 1048576 }, locked = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit core = { 0, RLIM_INFINITY };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_MEMLOCK, &locked);
	setrlimit(RLIMIT_CORE, &core);
}

int main(void)
{
	struct lab lab;
	char **keep;

	umask(022);
	for (size_t i = 0; i < ARRAY_SIZE(early); i++)
		mount_one(&early[i]);
	link_descriptors();
	lab.args = read_strings("/lab/args");
	lab.env = read_strings("/lab/env");
	lab.cwd = read_strings("/lab/cwd")[0];
	lab.terminal = access("/lab/terminal", F_OK) == 0;
	keep = read_strings("/lab/keep");
	load_modules();
	make_root();
	enter_root();
	mount_late(keep);
	enable_controllers();
	loopback_up();
	if (sethostname("lab", 3) < 0)
		die("hostname");
	set_limits();
	relay(&lab);
}
