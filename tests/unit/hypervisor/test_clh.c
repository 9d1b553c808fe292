/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of Cloud Hypervisor against its fake, which fails at every step. */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/hypervisor/kvm_probe.h"

#define NAME "clh (" FAKE ")"

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
	unsetenv("KATA_FAKE_FAULT");
	fixture_configure(f, xasprintf("[hypervisor.clh]\npath = \"" FAKE "\"\n"
				       "kernel = \"/proc/self/exe\"\ninitrd = \"%s/initrd\"\n"
				       "image = \"\"\nvirtio_fs_daemon = \"%s/virtiofsd\"\n"
				       "[agent.kata]\ndial_timeout = 8\n",
				       f->dir, f->dir));
	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	f->spec.size = (struct vm_size){ 1, 3, 128, 512 };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* Whatever goes wrong at a step, the machine ends with the reason, and nothing is left. */
static void it_fails_at_each_step(void **state)
{
	static const struct {
		const char *fault, *want;
	} cases[] = {
		{ "start=die", "clh (" FAKE ") ended with status 3: fake: died at start" },
		{ "vmm.ping=die", "clh (" FAKE ") ended with status 3: fake: died at vmm.ping" },
		{ "vm.create=die", "clh (" FAKE ") ended with status 3: fake: died at vm.create" },
		{ "vm.info=die", "clh (" FAKE ") ended with status 3: fake: died at vm.info" },
		{ "vm.add-net=die", "ended with status 3: fake: died at vm.add-net" },
		{ "vm.boot=die", "clh (" FAKE ") ended with status 3: fake: died at vm.boot" },
		{ "vm.info#2=die", "ended with status 3: fake: died at vm.info" },
		{ "start=hang", NAME ": " },
		{ "vmm.ping=hang", NAME ": " },
		{ "vm.add-net=hang", NAME ": " },
		{ "vm.boot=hang", NAME ": " },
		{ "vmm.ping=garbage", "vmm.ping: the answer is not understood: " },
		{ "vm.create=garbage", "vm.create: the answer is not understood: " },
		{ "vm.boot=garbage", "vm.boot: the answer is not understood: " },
		{ "vmm.ping=half", "vmm.ping: the connection ended amidst the answer" },
		{ "vm.info=half", "vm.info: the connection ended amidst the answer" },
		{ "vm.create=refuse", NAME ": PUT /api/v1/vm.create: status 500: Error from API: "
					   "the fake refuses" },
		{ "vm.add-net=refuse", NAME ": PUT /api/v1/vm.add-net: status 500: " },
		{ "vm.boot=refuse", NAME ": PUT /api/v1/vm.boot: status 500: " },
	};
	int tap = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct vm_dev net = { .type = VM_DEV_NET,
				    .id = "net0",
				    .net = { .tap = "t", .fds = &tap, .n_fds = 1, .mac = { 2 } } };

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		f->spec.nets = &net;
		f->spec.n_nets = 1;
		if (strstr(cases[i].fault, "=hang"))
			f->config->agent.dial_timeout_ms =
				strstr(cases[i].want, " 4000 ms") ? 4000 : 400;
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		starts(f);
		run(f);
		/* Where the machine is busy, what hangs may be the start of the fake itself. */
		if (strstr(cases[i].fault, "=hang"))
			assert_int_equal(f->end.code, -ETIMEDOUT);
		if (!strstr(f->end.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].fault, f->end.msg);
		assert_int_equal(f->started, 0);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
	close(tap);
}

static void the_agent_is_reached(void **state)
{
	struct fixture *f = *state;
	char text[16] = "";
	bool serial;
	int fd;

	f->connect = f->stop_at_agent = true;
	f->spec.share_dir = f->share;
	starts(f);
	run(f);
	assert_int_equal(f->end.code, 0);
	assert_int_equal(f->started, 1);
	assert_int_equal(f->agent, 1);
	assert_string_equal(f->roles, "clh virtiofsd ");
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	fd_set_nonblock(fd, false);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "agent");
	close(fd);
}

static void the_guest_ends(void **state)
{
	static const struct {
		const char *params, *want;
	} cases[] = {
		{ "fake=reset",
		  "the guest has ended (reset); the guest's last words: a guest boots" },
		{ "fake=poweroff", "the guest has ended (poweroff); the guest's last words: " },
		{ "fake=panic",
		  "the guest has ended (reset); the guest's last words: a guest boots | "
		  "Kernel panic - not syncing: no root" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		f->spec.kernel_params = cases[i].params;
		starts(f);
		run(f);
		if (!strstr(f->end.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].params, f->end.msg);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

static void virtiofsd_fails(void **state)
{
	struct fixture *f = *state;

	put_file(f, "virtiofsd", VIRTIOFSD_SCRIPT "sleep 0.2; echo no memory >&2; exit 3\n", 0755);
	f->spec.share_dir = f->share;
	starts(f);
	run(f);
	assert_non_null(strstr(f->end.msg, "/virtiofsd) ended with status 3: no memory"));
}

static void without_kvm(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	no_kvm = true;
	assert_int_equal(start(f, &err), -ENOTSUP);
	assert_string_equal(err.msg, "no usable KVM: too slow");
}

static void a_wrong_program(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	set_key(&f->config->hypervisor.path, xstrdup("/nonexistent/ch"));
	assert_int_equal(start(f, &err), -ENOENT);
	assert_string_equal(err.msg, "hypervisor.clh.path /nonexistent/ch: No such file or "
				     "directory");
	/* The header of a program for a SPARC. */
	put_file(f, "other", "\177ELF\1\1\1", 0755);
	set_key(&f->config->hypervisor.path, path_join(f->dir, "other"));
	assert_int_equal(truncate(f->config->hypervisor.path, 64), 0);
	assert_int_equal(start(f, &err), -ENOEXEC);
	assert_non_null(strstr(err.msg, "/other: a program for another processor"));
}

/* ---- what is done to a running machine ------------------------------------------- */

struct script {
	struct fixture *f;
	unsigned at;
	char path[96];
	char got[16][ERR_MSG_MAX]; /* what came of each step */
};

static void next(struct script *s);

static void note(struct script *s, const char *text)
{
	snprintf(s->got[s->at++], sizeof(s->got[0]), "%s", text);
	next(s);
}

static void on_plugged(const struct err *err, const struct vm_place *place, void *arg)
{
	note(arg, err ? err->msg : place->at);
}

static void on_did(const struct err *err, void *arg)
{
	note(arg, err ? err->msg : "done");
}

static void on_resized(const struct err *err, unsigned vcpus, uint64_t memory, void *arg)
{
	auto_free char *text = xasprintf("%u, %llu%s%s", vcpus, (unsigned long long)memory,
					 err ? ": " : "", err ? err->msg : "");

	note(arg, text);
}

static void next(struct script *s)
{
	static int null_fd = -1;
	struct vm_dev disk = { .id = "disk0", .disk = { .path = s->path } };
	struct vm_dev missing = { .id = "disk9", .disk = { .path = "/nonexistent/disk" } };
	struct vm_dev net = { .type = VM_DEV_NET,
			      .id = "net0",
			      .net = { .tap = "t", .fds = &null_fd, .n_fds = 1, .mac = { 2 } } };
	struct vm *vm = s->f->vm;

	if (null_fd < 0)
		null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	switch (s->at) {
	case 0:
	case 1:
		vm_plug(vm, &disk, on_plugged, s);
		break;
	case 2:
		vm_plug(vm, &missing, on_plugged, s);
		break;
	case 3:
		vm_plug(vm, &net, on_plugged, s);
		break;
	case 4:
	case 5:
		vm_unplug(vm, "disk0", on_did, s);
		break;
	case 6:
		vm_resize(vm, 2, 200, on_resized, s);
		break;
	case 7:
		vm_resize(vm, 9, 100, on_resized, s);
		break;
	case 8:
		vm_resize(vm, 1, 256, on_resized, s);
		break;
	case 9:
		vm_resize(vm, 1, 600, on_resized, s);
		break;
	case 10:
		vm_resize(vm, 1, 512, on_resized, s);
		break;
	case 11:
	case 12:
		vm_pause(vm, on_did, s);
		break;
	case 13:
		vm_resume(vm, on_did, s);
		break;
	default:
		/* One that fails says so by itself. */
		if (!getenv("KATA_FAKE_FAULT"))
			vm_stop(vm);
	}
}

static void on_script(void *arg)
{
	struct script *s = arg;

	if (!s->f->started)
		loop_add_timer(s->f->loop, 5, on_script, s);
	else
		next(s);
}

static void it_changes_while_it_runs(void **state)
{
	static const char *const want[] = {
		"06",
		"/initrd): PUT /api/v1/vm.add-disk: status 500: Error from API: Identifier disk0 is "
		"not unique",
		"disk disk9 (/nonexistent/disk): PUT /api/v1/vm.add-disk: status 500: ",
		"07",
		"done",
		"device disk0: PUT /api/v1/vm.remove-device: status 500: Error from API: Unknown "
		"device ID disk0",
		"2, 256",
		"3, 256",
		"1, 256",
		"1, 256: 1 processors, 600 MiB: the machine can have 512 MiB at most",
		"1, 512",
		"done",
		"done",
		"done",
	};
	struct fixture *f = *state;
	struct script s = { .f = f };

	snprintf(s.path, sizeof(s.path), "%s/initrd", f->dir);
	starts(f);
	loop_add_timer(f->loop, 5, on_script, &s);
	run(f);
	assert_int_equal(f->end.code, 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		if (!strstr(s.got[i], want[i]))
			fail_msg("step %zu: %s", i, s.got[i]);
}

/* The caller of what is under way hears of the end, too. */
static void it_dies_while_a_disk_comes(void **state)
{
	struct fixture *f = *state;
	struct script s = { .f = f, .at = 0 };

	snprintf(s.path, sizeof(s.path), "%s/initrd", f->dir);
	setenv("KATA_FAKE_FAULT", "vm.add-disk=die", 1);
	starts(f);
	loop_add_timer(f->loop, 5, on_script, &s);
	run(f);
	assert_non_null(strstr(s.got[0], "vm.add-disk: the connection was closed"));
	assert_non_null(strstr(s.got[1], "disk disk0 ("));
	if (!strstr(f->end.msg, "ended with status 3: fake: died at vm.add-disk"))
		fail_msg("%s", f->end.msg);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_fails_at_each_step),
		T(the_agent_is_reached),
		T(the_guest_ends),
		T(virtiofsd_fails),
		T(without_kvm),
		T(a_wrong_program),
		T(it_changes_while_it_runs),
		T(it_dies_while_a_disk_comes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("clh", tests, NULL, NULL);
}
