/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the built-in monitor against monitors that misbehave (vmm_double.c). */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/hypervisor/kvm_probe.h"

static bool no_kvm;

/* In the place of the real one (the linker's --wrap): no test depends on the host's. */
int __wrap_kvm_open(struct err *err);
int __wrap_kvm_open(struct err *err)
{
	return no_kvm ? err_set(err, ENOTSUP, "no usable KVM: too slow") :
			open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int setup(void **state)
{
	struct fixture *f = fixture_new("/tmp");

	no_kvm = false;
	fixture_configure(
		f,
		xasprintf("[hypervisor.dragonball]\npath = \"" VMM_DOUBLE "\"\n"
			  "kernel = \"/proc/self/exe\"\ninitrd = \"%s/initrd\"\nimage = \"\"\n"
			  "virtio_fs_daemon = \"%s/virtiofsd\"\n[agent.kata]\ndial_timeout = 5\n",
			  f->dir, f->dir));
	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	f->stop_at_agent = true;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* What the double does is the machine's name; the message of its end. */
static const char *end_of(struct fixture *f, const char *mode)
{
	f->spec.id = mode;
	starts(f);
	run(f);
	return f->end.msg;
}

static void it_dies_at_its_start(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "dies"),
			    "kata-vmm (" VMM_DOUBLE ") ended with status 1: kata-vmm: --memory: no "
			    "room; the guest's last words: no root");
	assert_int_equal(f->started, 0);
}

static void it_never_starts(void **state)
{
	struct fixture *f = *state;

	f->config->agent.dial_timeout_ms = 200;
	assert_string_equal(end_of(f, "silent"),
			    "kata-vmm (" VMM_DOUBLE ") did not start the guest within 200 ms");
}

static void it_talks_garbage(void **state)
{
	assert_string_equal(end_of(*state, "garbage"),
			    "kata-vmm (" VMM_DOUBLE "): the monitor says what is not understood: "
			    "\"hello\"");
}

static void it_closes_the_connection(void **state)
{
	assert_string_equal(end_of(*state, "closes"),
			    "kata-vmm (" VMM_DOUBLE ") closed its control connection");
}

static void the_guest_panics(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "panic"),
			    "the guest's kernel panicked: Attempted to kill init!; the guest's "
			    "last words: no root");
	assert_int_equal(f->started, 1);
}

static void the_guest_powers_off(void **state)
{
	assert_string_equal(end_of(*state, "poweroff"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

static void the_guest_says_nothing(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "mute"),
			    "the guest has ended (reset) without a word on its console; "
			    "hypervisor.dragonball.enable_debug shows its first words");
}

static void it_stays_after_its_guest(void **state)
{
	assert_string_equal(end_of(*state, "lingers"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

/* Which wins it no time: also not when it is stopped. */
static void it_repeats_itself(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "repeats"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

static void it_repeats_itself_when_stopped(void **state)
{
	struct fixture *f = *state;

	f->stop_when_started = true;
	assert_string_equal(end_of(f, "repeats"), "");
	assert_int_equal(f->end.code, 0);
}

static void it_stops_when_told(void **state)
{
	struct fixture *f = *state;
	int64_t begin = loop_now_ms();

	f->stop_when_started = true;
	f->spec.share_dir = f->share;
	assert_string_equal(end_of(f, "works"), "");
	assert_int_equal(f->end.code, 0);
	/* virtiofsd may not be there yet: it is asked for its version first. */
	assert_true(!strcmp(f->roles, "kata-vmm ") || !strcmp(f->roles, "kata-vmm virtiofsd "));
	assert_true(loop_now_ms() - begin < 5000);
}

static void it_is_killed_when_it_does_not(void **state)
{
	struct fixture *f = *state;

	f->stop_when_started = true;
	assert_string_equal(end_of(f, "stubborn"), "");
	assert_int_equal(f->end.code, 0);
}

static void it_does_not_answer(void **state)
{
	struct fixture *f = *state;

	f->pause = true;
	assert_string_equal(end_of(f, "stubborn"),
			    "kata-vmm (" VMM_DOUBLE "): the monitor did not answer \"pause\" "
			    "within 2000 ms");
	assert_int_equal(f->paused, 1);
	assert_true(f->refusal.code < 0);
}

static void it_rests_and_goes_on(void **state)
{
	struct fixture *f = *state;

	f->pause = f->go_on = true;
	assert_string_equal(end_of(f, "works"), "");
	assert_int_equal(f->paused, 2);
	assert_int_equal(f->refusal.code, 0);
}

/* Whoever waits for an answer hears of the end first (on_paused() looks). */
static void it_ends_instead_of_resting(void **state)
{
	struct fixture *f = *state;

	f->pause = f->stop_when_started = true;
	assert_string_equal(end_of(f, "stubborn"), "");
	assert_int_equal(f->paused, 1);
	assert_int_equal(f->refusal.code, -EPIPE);
}

static void the_agent_is_reached(void **state)
{
	struct fixture *f = *state;
	char text[16] = "";
	bool serial;
	int fd;

	f->connect = f->pause = true;
	assert_string_equal(end_of(f, "agent"), "");
	assert_int_equal(f->agent, 1);
	assert_int_equal(f->paused, 1);
	assert_string_equal(f->refusal.msg, "pause: a disk is busy");
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	/* What came behind the handshake's line is the stream's. */
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "agent");
	close(fd);
}

static void virtiofsd_fails(void **state)
{
	struct fixture *f = *state;

	put_file(f, "virtiofsd", VIRTIOFSD_SCRIPT "sleep 0.2; echo no memory >&2; exit 3\n", 0755);
	f->spec.share_dir = f->share;
	assert_non_null(strstr(end_of(f, "works"), "/virtiofsd) ended with status 3: no memory"));
}

static void without_kvm(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	no_kvm = true;
	assert_int_equal(start(f, &err), -ENOTSUP);
	assert_string_equal(err.msg, "no usable KVM: too slow");
}

static void what_is_missing_is_named(void **state)
{
	struct fixture *f = *state;
	struct vm_dev disk = { .id = "d", .disk = { .path = "/nonexistent/disk" } };
	struct err err = ERR_INIT;

	f->spec.disks = &disk;
	f->spec.n_disks = 1;
	assert_int_equal(start(f, &err), -ENOENT);
	assert_string_equal(err.msg, "disk /nonexistent/disk: No such file or directory");
	vm_free(take_ptr(f->vm));
	set_key(&f->config->hypervisor.kernel, path_join(f->dir, "virtiofsd"));
	assert_int_equal(start(f, &err), -ENOEXEC);
	assert_non_null(strstr(err.msg, "/virtiofsd: not an ELF file (vmlinux), which is needed"));
	set_key(&f->config->hypervisor.path, xstrdup("/nonexistent/vmm"));
	assert_int_equal(start(f, &err), -ENOENT);
	assert_string_equal(err.msg, "hypervisor.dragonball.path /nonexistent/vmm: No such file or "
				     "directory");
}

static void what_it_lacks_is_said(void **state)
{
	struct fixture *f = *state;
	auto_str struct str address = STR_INIT;
	auto_free char *want = xasprintf("hvsock://%s/kata.hvsock", f->run);

	f->stop_when_started = true;
	end_of(f, "works");
	f->exited = 0;
	vm_pause(f->vm, on_paused, f);
	loop_step(f->loop, 0);
	assert_int_equal(f->refusal.code, -EPIPE);
	assert_string_equal(f->refusal.msg, "pause: the machine does not run");
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), want);
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config),
			 HV_CAP_FS_SHARE | HV_CAP_BLOCK | HV_CAP_NET | HV_CAP_PAUSE);
	set_key(&f->config->hypervisor.shared_fs, xstrdup("none"));
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config),
			 HV_CAP_BLOCK | HV_CAP_NET | HV_CAP_PAUSE);
}

/* A disk with a partition table and one partition, all of it empty. */
static void put_image(struct fixture *f, const char *name)
{
	auto_free char *path = path_join(f->dir, name);
	unsigned char table[512] = {
		[450] = 0x83, [455] = 8, [458] = 8, [510] = 0x55, [511] = 0xaa
	};
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, table, sizeof(table)), 0);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
}

/* Not every file system has it. */
static bool can_direct(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	return fd >= 0;
}

/* The file @name of the fixture's directory, as text. */
static char *text_of(struct fixture *f, const char *name)
{
	auto_free char *path = path_join(f->dir, name);
	struct str text = STR_INIT;

	assert_int_equal(file_read(path, 1 << 16, &text, NULL), 0);
	return str_take(&text);
}

/* Start one that tells what it was handed, and stop it; its words. */
static char *handed(struct fixture *f)
{
	auto_free char *told = path_join(f->dir, "told");
	auto_free char *socket = path_join(f->run, "kata.hvsock");
	auto_free char *params = xasprintf("told=%s", told);

	f->spec.kernel_params = params;
	f->stop_when_started = true;
	assert_string_equal(end_of(f, "tells"), "");
	f->spec.kernel_params = NULL;
	/* As the sandbox does, for the next. */
	vm_free(take_ptr(f->vm));
	f->exited = 0;
	unlink(socket);
	return text_of(f, "told");
}

#define assert_has(TEXT, ...)                                       \
	do {                                                        \
		auto_free char *line_ = xasprintf(__VA_ARGS__);     \
		if (!strstr(TEXT, line_))                           \
			fail_msg("no \"%s\" in:\n%s", line_, TEXT); \
	} while (0)

/* The keys that are files: each is opened, as it is used, and handed over. */
static void files_are_handed_over(void **state)
{
	struct fixture *f = *state;
	struct config_hypervisor *h = &f->config->hypervisor;
	auto_free char *disk = path_join(f->dir, "disk"), *ro = path_join(f->dir, "ro");
	struct vm_dev disks[] = {
		{ .id = "d0", .disk = { .path = disk } },
		{ .id = "d1", .disk = { .path = ro, .read_only = true } },
	};
	const int tap = open("/dev/zero", O_RDWR | O_CLOEXEC);
	const struct vm_dev net = { .type = VM_DEV_NET,
				    .id = "eth0",
				    .net = { .fds = &tap, .n_fds = 1, .mac = { 2 } } };
	auto_free char *first = NULL, *second = NULL;
	const char *flag = "", *option = "";

	put_file(f, "disk", "x", 0644);
	put_file(f, "ro", "x", 0444);
	f->spec.disks = disks;
	f->spec.n_disks = ARRAY_SIZE(disks);
	f->spec.nets = &net;
	f->spec.n_nets = 1;
	first = handed(f);
	assert_has(first, "--kvm /dev/null\n");
	assert_has(first, "--kernel %s read-only\n", h->kernel);
	assert_has(first, "--initrd %s/initrd read-only\n", f->dir);
	assert_has(first, "--disk %s,id=d0\n", disk);
	assert_has(first, "--disk %s read-only,id=d1,ro\n", ro);
	assert_has(first, "--net /dev/zero,id=eth0,mac=02:00:00:00:00:00\n");
	assert_null(strstr(first, "--fs"));
	/* It is the sandbox's, and open still. */
	assert_int_equal(close(tap), 0);
	f->spec.n_nets = 0;

	/* An image in the initrd's place, past the page cache, with limits. */
	put_image(f, "image");
	set_key(&h->image, path_join(f->dir, "image"));
	set_key(&h->initrd, xstrdup(""));
	h->block_device_cache_direct = can_direct(disk);
	if (h->block_device_cache_direct) {
		flag = " direct";
		option = ",direct";
	}
	h->disk_rate_limiter_ops_max_rate = 7;
	second = handed(f);
	assert_null(strstr(second, "--initrd"));
	assert_has(second, "--disk %s/image read-only%s,id=image,ro%s,iops=7\n", f->dir, flag,
		   option);
	assert_has(second, "--disk %s%s,id=d0%s,iops=7\n", disk, flag, option);
}

/* Those that speak of the daemon: it gets them. */
static void the_daemon_gets_its_keys(void **state)
{
	struct fixture *f = *state;
	struct config_hypervisor *h = &f->config->hypervisor;
	auto_free char *done = path_join(f->dir, "args");
	auto_free char *script =
		xasprintf(VIRTIOFSD_SCRIPT "echo \"$@\" >%s.new; mv %s.new %s\nsleep 100\n", done,
			  done, done);
	int64_t end = loop_now_ms() + FIXTURE_LIMIT_MS;
	auto_free char *args = NULL;

	put_file(f, "other", script, 0755);
	set_key(&h->virtio_fs_daemon, path_join(f->dir, "other"));
	set_key(&h->virtio_fs_cache, xstrdup("never"));
	strv_add(&h->virtio_fs_extra_args, "--an-argument");
	f->spec.id = "works";
	f->spec.share_dir = f->share;
	starts(f);
	while (access(done, F_OK) < 0) {
		assert_true(loop_now_ms() < end);
		loop_step(f->loop, 10);
	}
	vm_stop(f->vm);
	run(f);
	args = text_of(f, "args");
	assert_has(args, "--shared-dir=%s", f->share);
	assert_has(args, "--cache=never");
	assert_has(args, " --an-argument");
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_dies_at_its_start),
		T(it_never_starts),
		T(it_talks_garbage),
		T(it_closes_the_connection),
		T(the_guest_panics),
		T(the_guest_powers_off),
		T(the_guest_says_nothing),
		T(it_stays_after_its_guest),
		T(it_repeats_itself),
		T(it_repeats_itself_when_stopped),
		T(it_stops_when_told),
		T(it_is_killed_when_it_does_not),
		T(it_does_not_answer),
		T(it_rests_and_goes_on),
		T(it_ends_instead_of_resting),
		T(the_agent_is_reached),
		T(virtiofsd_fails),
		T(without_kvm),
		T(what_is_missing_is_named),
		T(what_it_lacks_is_said),
		T(files_are_handed_over),
		T(the_daemon_gets_its_keys),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dragonball", tests, NULL, NULL);
}
