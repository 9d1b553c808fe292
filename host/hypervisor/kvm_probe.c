/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "host/hypervisor/kvm_trial.h"

#define DEVICE	  "/dev/kvm"
#define CACHE_DIR "/run/kata-containers"
#define CACHE_MAX 1024
/* Changes with what the trial does, so that an older verdict is not taken for this one's. */
#define CACHE_MAGIC "kvm-probe-2"

/* A busy host makes good KVM look slow, but not each time. */
#define TRIALS 3

/* Reports twice: when the machine is made, and at the end. */
static void trial_child(pid_t parent, int out)
{
	struct kvm_trial t = { .step = KVM_TRIAL_OPEN };
	struct kvm_guest guest;
	int kvm, r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	kvm = open(DEVICE, O_RDWR | O_CLOEXEC);
	r = kvm < 0 ? -errno : 0;
	if (r == 0) {
		t.step = KVM_TRIAL_CREATE;
		r = kvm_guest_create(kvm, &guest);
	}
	if (r < 0) {
		t.error = -r;
	} else {
		t.step = KVM_TRIAL_START;
		if (fd_write_full(out, &t, sizeof(t)) < 0)
			_exit(1);
		kvm_guest_run(&guest, &t);
	}
	_exit(fd_write_full(out, &t, sizeof(t)) < 0);
}

/* Less than half of the limit on a processor: others had it. */
static bool hardly_ran(const struct rusage *ru)
{
	int64_t us = (int64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 +
		     ru->ru_utime.tv_usec + ru->ru_stime.tv_usec;

	return us < KVM_TRIAL_LIMIT_MS * 1000 / 2;
}

/* The child's next report; false when there is none, which @t then says. */
static bool await(int fd, int limit_ms, struct kvm_trial *t)
{
	struct kvm_trial report;

	if (fd_poll(fd, POLLIN, limit_ms) <= 0) {
		t->timed_out = true;
		return false;
	}
	if (fd_read_full(fd, &report, sizeof(report)) < 0) {
		t->error = EIO;
		return false;
	}
	*t = report;
	return true;
}

/* The machine lives and dies with a child, whatever the kernel makes of it. */
static void run_trial(struct kvm_trial *t)
{
	auto_close int rd = -1, wr = -1;
	pid_t parent = getpid(), pid;
	struct rusage ru = { 0 };
	int p[2];

	*t = (struct kvm_trial){ .step = KVM_TRIAL_CREATE };
	if (pipe2(p, O_CLOEXEC) < 0) {
		t->error = errno;
		return;
	}
	rd = p[0];
	wr = p[1];
	pid = fork();
	if (pid == 0)
		trial_child(parent, wr);
	if (pid < 0) {
		t->error = errno;
		return;
	}
	close_fd(&wr);
	if (await(rd, KVM_TRIAL_CREATE_MS, t) && t->step == KVM_TRIAL_START)
		await(rd, KVM_TRIAL_LIMIT_MS, t);
	kill(pid, SIGKILL);
	while (wait4(pid, NULL, 0, &ru) < 0 && errno == EINTR)
		;
	t->starved = t->timed_out && hardly_ran(&ru);
}

/* What the verdict holds for: this boot, this device. False when there is no device. */
static bool cache_key(struct str *key)
{
	auto_str struct str boot = STR_INIT;
	struct stat st;

	if (stat(DEVICE, &st) < 0 ||
	    file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL) < 0)
		return false;
	str_printf(key, CACHE_MAGIC " %.36s %u:%u %llu %lld\n", str_text(&boot), major(st.st_rdev),
		   minor(st.st_rdev), (unsigned long long)st.st_ino, (long long)st.st_ctime);
	return true;
}

/* NULL when this user has no place of its own. */
static char *cache_path(void)
{
	const char *dir = geteuid() == 0 ? CACHE_DIR : getenv("XDG_RUNTIME_DIR");

	return dir && *dir == '/' ? path_join(dir, "kvm-probe") : NULL;
}

/* The file: the key, "usable loops", the reason; a line each. */
static bool cache_load(const char *path, const char *key, struct kvm_probe *result)
{
	auto_str struct str text = STR_INIT;
	unsigned usable, loops;
	int used = 0;
	const char *p;

	if (file_read(path, CACHE_MAX, &text, NULL) < 0 || !str_starts(str_text(&text), key))
		return false;
	p = str_text(&text) + strlen(key);
	if (sscanf(p, "%u %u\n%n", &usable, &loops, &used) != 2 || used == 0)
		return false;
	memset(result, 0, sizeof(*result));
	result->present = true;
	result->usable = usable;
	result->loops_ms = loops;
	snprintf(result->reason, sizeof(result->reason), "%.*s", (int)strcspn(p + used, "\n"),
		 p + used);
	return true;
}

/* A verdict that cannot be kept is measured again; nothing else is lost. */
static void cache_save(const char *path, const char *key, const struct kvm_probe *result)
{
	auto_str struct str text = STR_INIT;

	if (geteuid() == 0 && dir_make(CACHE_DIR, 0755, NULL) < 0)
		return;
	str_printf(&text, "%s%u %u\n%s\n", key, result->usable, result->loops_ms, result->reason);
	file_replace(path, text.data, text.len, 0644, NULL);
}

void kvm_probe(struct kvm_probe *result, bool fresh)
{
	auto_str struct str key = STR_INIT;
	auto_free char *path = cache_path();
	bool keyed = cache_key(&key);
	struct kvm_trial t = { .step = KVM_TRIAL_OPEN };

	if (keyed && path && !fresh && cache_load(path, str_text(&key), result))
		return;
	if (!keyed || access(DEVICE, R_OK | W_OK) < 0) {
		t.error = keyed ? errno : ENOENT;
		kvm_trial_judge(&t, result);
		return;
	}
	for (int i = 0; i < TRIALS; i++) {
		run_trial(&t);
		if (!kvm_trial_in_doubt(&t))
			break;
	}
	kvm_trial_judge(&t, result);
	if (keyed && path && !t.starved)
		cache_save(path, str_text(&key), result);
}

int kvm_open(struct err *err)
{
	struct kvm_probe probe;
	int fd;

	kvm_probe(&probe, false);
	if (!probe.usable)
		return err_set(err, ENOTSUP,
			       "no usable KVM: %s; without it choose QEMU "
			       "(configuration-qemu.toml), which can emulate a machine",
			       probe.reason);
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "/dev/kvm") : fd;
}
