/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the built-in monitor against monitors that misbehave (vmm_double.c). */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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

static void it_stays_after_its_guest(void **state)
{
	assert_string_equal(end_of(*state, "lingers"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

static void it_stops_when_told(void **state)
{
	struct fixture *f = *state;
	int64_t begin = loop_now_ms();

	f->stop_when_started = true;
	f->spec.share_dir = f->share;
	assert_string_equal(end_of(f, "works"), "");
	assert_int_equal(f->end.code, 0);
	assert_string_equal(f->roles, "kata-vmm virtiofsd ");
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
	struct err err = ERR_INIT;
	auto_str struct str address = STR_INIT;
	auto_free char *want = xasprintf("hvsock://%s/kata.hvsock", f->run);

	f->stop_when_started = true;
	end_of(f, "works");
	assert_int_equal(vm_pause(f->vm, &err), -EPIPE);
	assert_string_equal(err.msg, "pause: the machine does not run");
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), want);
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config),
			 HV_CAP_FS_SHARE | HV_CAP_BLOCK | HV_CAP_PAUSE);
	set_key(&f->config->hypervisor.shared_fs, xstrdup("none"));
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config), HV_CAP_BLOCK | HV_CAP_PAUSE);
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
		T(it_stays_after_its_guest),
		T(it_stops_when_told),
		T(it_is_killed_when_it_does_not),
		T(it_does_not_answer),
		T(the_agent_is_reached),
		T(virtiofsd_fails),
		T(without_kvm),
		T(what_is_missing_is_named),
		T(what_it_lacks_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dragonball", tests, NULL, NULL);
}
