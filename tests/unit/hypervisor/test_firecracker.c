/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of Firecracker against its fake, which fails at every step; without a jail. */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/hypervisor/kvm_probe.h"

#define NAME "firecracker (" FAKE ")"

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
	auto_free char *vm = path_join(f->dir, "vm"), *own = NULL;

	no_kvm = false;
	unsetenv("KATA_FAKE_FAULT");
	fixture_configure(f, xasprintf("[hypervisor.firecracker]\npath = \"" FAKE "\"\n"
				       "kernel = \"/proc/self/exe\"\ninitrd = \"%s/initrd\"\n"
				       "image = \"\"\n[agent.kata]\ndial_timeout = 8\n",
				       f->dir));
	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	/* As the sandbox makes them. */
	free(f->run);
	f->run = path_join(vm, "x");
	own = path_join(f->dir, "firecracker/x");
	assert_int_equal(dir_make(f->run, 0700, NULL), 0);
	assert_int_equal(dir_make(own, 0700, NULL), 0);
	f->spec.run_dir = f->run;
	f->spec.netns = -1;
	f->spec.size = (struct vm_size){ 1, 1, 128, 128 };
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
		{ "start=die", NAME " ended with status 3: fake: died at start" },
		{ "boot=die", NAME " ended with status 3: fake: died at boot; its log: [WARN] the "
				   "fake logs" },
		{ "boot=refuse",
		  NAME " ended with status 1: Error: RunWithApi(BuildMicroVMFromJson("
		       "the fake refuses))" },
		{ "/=die", NAME " ended with status 3: fake: died at /" },
		{ "start=hang", NAME ": " },
		{ "boot=hang", NAME ": " },
		{ "/=hang", NAME ": " },
		{ "/=garbage", NAME ": GET /: the answer is not understood: " },
		{ "/=half", NAME ": GET /: the connection ended amidst the answer" },
		{ "/=refuse", NAME ": GET /: status 500: the fake refuses" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		if (strstr(cases[i].fault, "=hang"))
			f->config->agent.dial_timeout_ms = 1500;
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
}

static void the_agent_is_reached(void **state)
{
	struct fixture *f = *state;
	auto_str struct str address = STR_INIT;
	auto_free char *want = xasprintf("hvsock://%s/firecracker/x/root/kata.hvsock", f->dir);
	char text[16] = "";
	bool serial;
	int fd;

	f->connect = f->stop_at_agent = true;
	starts(f);
	run(f);
	assert_int_equal(f->end.code, 0);
	assert_int_equal(f->agent, 1);
	assert_string_equal(f->roles, "firecracker ");
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	fd_set_nonblock(fd, false);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "agent");
	close(fd);
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), want);
}

static void the_guest_ends(void **state)
{
	static const struct {
		const char *params, *want;
	} cases[] = {
		{ "fake=reset", "the guest has ended; the guest's last words: a guest boots" },
		{ "fake=panic", "the guest has ended; the guest's last words: a guest boots | "
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
		/* It may have ended before it was seen to run. */
		if (f->started && !strstr(f->end.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].params, f->end.msg);
		assert_non_null(strstr(f->end.msg, "a guest boots"));
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

static void what_it_needs_is_named(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	no_kvm = true;
	assert_int_equal(start(f, &err), -ENOTSUP);
	assert_string_equal(err.msg, "no usable KVM: too slow");
	vm_free(take_ptr(f->vm));
	no_kvm = false;
	set_key(&f->config->hypervisor.jailer_path, xstrdup("/nonexistent/jailer"));
	assert_int_equal(start(f, &err), -ENOENT);
	assert_string_equal(err.msg, "hypervisor.firecracker.jailer_path /nonexistent/jailer: No "
				     "such file or directory");
	set_key(&f->config->hypervisor.jailer_path, xstrdup(""));
	/* It boots nothing that unpacks itself. */
	put_file(f, "bzImage", "MZ and so on", 0644);
	set_key(&f->config->hypervisor.kernel, path_join(f->dir, "bzImage"));
	assert_int_equal(start(f, &err), -ENOEXEC);
	assert_non_null(strstr(err.msg, "/bzImage: not an ELF file (vmlinux), which is needed"));
}

/* ---- what is done to a running machine ------------------------------------------- */

struct script {
	struct fixture *f;
	unsigned at;
	char path[96];
	char got[32][ERR_MSG_MAX]; /* what came of each step */
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

static void plug(struct script *s, const char *id, const char *path, bool read_only)
{
	const struct vm_dev disk = { .id = id, .disk = { .path = path, .read_only = read_only } };

	vm_plug(s->f->vm, &disk, on_plugged, s);
}

static void next(struct script *s)
{
	auto_free char *id = xasprintf("disk%u", s->at);
	struct vm *vm = s->f->vm;

	if (s->at < 9)
		plug(s, id, s->path, false);
	else if (s->at == 9)
		plug(s, "disk0", s->path, true);
	else if (s->at < 15)
		plug(s, id, s->path, true);
	else if (s->at == 15)
		plug(s, "missing", "/nonexistent/disk", false);
	else if (s->at == 16)
		plug(s, "directory", "/tmp", false);
	else if (s->at < 19)
		vm_unplug(vm, "disk2", on_did, s);
	else if (s->at == 19)
		plug(s, "again", s->path, false);
	else if (s->at < 22)
		vm_pause(vm, on_did, s);
	else if (s->at == 22)
		vm_resume(vm, on_did, s);
	/* One that fails says so by itself. */
	else if (!getenv("KATA_FAKE_FAULT"))
		vm_stop(vm);
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
		"/dev/vda",
		"/dev/vdb",
		"/dev/vdc",
		"/dev/vdd",
		"/dev/vde",
		"/dev/vdf",
		"/dev/vdg",
		"/dev/vdh",
		"all 8 writable drives that the machine has for disks are taken",
		"disk disk0 (",
		"/dev/vdi",
		"/dev/vdj",
		"/dev/vdk",
		"/dev/vdl",
		"all 4 read-only drives that the machine has for disks are taken",
		"disk missing (/nonexistent/disk): /nonexistent/disk: No such file",
		"disk directory (/tmp): is neither a block device nor a file",
		"done",
		"disk disk2: there is none of that name",
		"/dev/vdc",
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

/* A refused disk leaves its drive for the next; a monitor that dies fails all. */
static void patches_fail(void **state)
{
	static const struct {
		const char *fault, *first, *second, *end;
	} cases[] = {
		{ "drive_0=refuse", "PATCH /drives/drive_0: status 500: the fake refuses",
		  "/dev/vda", "" },
		{ "drive_0=half", "PATCH /drives/drive_0: the connection ended amidst", "/dev/vdb",
		  "" },
		{ "drive_0=die", "PATCH /drives/drive_0: the connection was closed", "disk disk1 (",
		  "ended with status 3: fake: died at drive_0" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct script s = { .at = 0 };
		struct fixture *f;

		setup(state);
		s.f = f = *state;
		snprintf(s.path, sizeof(s.path), "%s/initrd", f->dir);
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		starts(f);
		unsetenv("KATA_FAKE_FAULT");
		if (*cases[i].end)
			setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		loop_add_timer(f->loop, 5, on_script, &s);
		run(f);
		if (!strstr(s.got[0], cases[i].first) || !strstr(s.got[1], cases[i].second) ||
		    !strstr(f->end.msg, cases[i].end))
			fail_msg("%s: %s; %s; %s", cases[i].fault, s.got[0], s.got[1], f->end.msg);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_fails_at_each_step),  T(the_agent_is_reached),	T(the_guest_ends),
		T(what_it_needs_is_named), T(it_changes_while_it_runs), T(patches_fail),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("firecracker", tests, NULL, NULL);
}
