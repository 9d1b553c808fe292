/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a Linux guest: loads the modules that /modules.list names, tells
 * on the console what machine it sees, and ends as the word do=… of the command line
 * says: off (unless given), reset, panic, park, or beat (a line every 100 ms).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* The initrd may have nothing but this program. */
static void mount_on(const char *type, const char *path)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, NULL) < 0)
		perror(path);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "re");
	char name[128], path[160];

	while (list && fscanf(list, "%127s", name) == 1) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			perror(path);
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
}

/* The console may be there a moment after its module. */
static void open_console(void)
{
	int fd = -1;

	for (int i = 0; fd < 0 && i < 500; i++) {
		fd = open("/dev/hvc0", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
}

static void tell(const char *line)
{
	char clock[64] = "";
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
	struct sysinfo info;

	if (f) {
		if (!fgets(clock, sizeof(clock), f))
			clock[0] = '\0';
		fclose(f);
	}
	clock[strcspn(clock, "\n")] = '\0';
	sysinfo(&info);
	printf("cpus=%ld memory=%lu clock=%s line=%s\n", sysconf(_SC_NPROCESSORS_ONLN),
	       (unsigned long)(info.totalram * info.mem_unit >> 20), clock, line);
	fflush(stdout);
}

int main(void)
{
	char line[4096] = "";
	FILE *f;

	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	mount_on("devtmpfs", "/dev");
	load_modules();
	open_console();
	f = fopen("/proc/cmdline", "re");
	if (f && fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = '\0';
	tell(line);
	if (strstr(line, "do=panic"))
		return EXIT_FAILURE; /* the first process must not end */
	if (strstr(line, "do=reset"))
		reboot(RB_AUTOBOOT);
	while (strstr(line, "do=park"))
		pause();
	while (strstr(line, "do=beat")) {
		puts("beat");
		fflush(stdout);
		usleep(100000);
	}
	reboot(RB_POWER_OFF);
	return EXIT_FAILURE;
}
