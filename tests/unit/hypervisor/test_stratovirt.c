/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of StratoVirt against its fake, which fails at every step. */
#include "tests/unit/hypervisor/driver_fixture.h"
#include "tests/unit/hypervisor/vsock_double.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "host/hypervisor/kvm_probe.h"

#define NAME "stratovirt (" FAKE ")"

static bool no_kvm;

/* In the place of the real ones (the linker's --wrap): no test depends on the host's. */
int __wrap_kvm_open(struct err *err);
int __wrap_kvm_open(struct err *err)
{
	return no_kvm ? err_set(err, ENOTSUP, "no usable KVM: too slow") :
			open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* What is there of a bzImage that is looked at. */
static void put_kernel(struct fixture *f)
{
	auto_free char *path = path_join(f->dir, "bzImage");
	char head[1024] = "";

	memcpy(head + 0x202, "HdrS", 4);
	assert_int_equal(file_replace(path, head, sizeof(head), 0644, NULL), 0);
	set_key(&f->config->hypervisor.kernel, take_ptr(path));
}

static int setup(void **state)
{
	struct fixture *f = fixture_new("/tmp");

	no_kvm = vsock_double_missing = false;
	unsetenv("KATA_FAKE_FAULT");
	fixture_configure(f, xasprintf("[hypervisor.stratovirt]\npath = \"" FAKE "\"\n"
				       "kernel = \"/proc/self/exe\"\ninitrd = \"%s/initrd\"\n"
				       "image = \"\"\nvirtio_fs_daemon = \"%s/virtiofsd\"\n"
				       "[agent.kata]\ndial_timeout = 8\n",
				       f->dir, f->dir));
	put_kernel(f);
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
		{ "greeting=die", NAME " ended with status 3: fake: died at greeting" },
		{ "qmp_capabilities=die", "ended with status 3: fake: died at qmp_capabilities" },
		{ "start=hang", NAME " did not answer by QMP within 400 ms" },
		{ "greeting=hang", NAME " did not answer by QMP within 400 ms" },
		{ "qmp_capabilities=hang", NAME " did not answer by QMP within 400 ms" },
		{ "greeting=garbage", NAME ": QMP: the answer is no JSON object" },
		{ "qmp_capabilities=garbage", NAME ": QMP: the answer is no JSON object" },
		{ "greeting=half", NAME " closed its control connection" },
		{ "qmp_capabilities=half", NAME " closed its control connection" },
		{ "qmp_capabilities=refuse", NAME " did not answer by QMP within 400 ms" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		if (strstr(cases[i].want, " 400 ms"))
			f->config->agent.dial_timeout_ms = 400;
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		starts(f);
		run(f);
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
	assert_true(!strcmp(f->roles, "virtiofsd stratovirt ") ||
		    !strcmp(f->roles, "stratovirt virtiofsd "));
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), "vsock://42");
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "1024");
	close(fd);
}

static void the_guest_ends(void **state)
{
	struct fixture *f = *state;

	f->spec.kernel_params = "fake=panic";
	starts(f);
	run(f);
	assert_non_null(strstr(f->end.msg, "Kernel panic - not syncing: no root"));
}

static void killed_while_running(void **state)
{
	struct fixture *f = *state;

	f->spec.share_dir = f->share;
	f->connect = true;
	starts(f);
	while (!f->agent && !f->exited)
		loop_step(f->loop, 1000);
	assert_int_equal(f->exited, 0);
	kill(vm_pid(f->vm), SIGKILL);
	run(f);
	assert_non_null(strstr(f->end.msg, NAME " was killed by signal 9"));
}

static void virtiofsd_dies(void **state)
{
	struct fixture *f = *state;

	put_file(f, "virtiofsd", VIRTIOFSD_SCRIPT "echo no >&2; exit 1\n", 0755);
	f->spec.share_dir = f->share;
	starts(f);
	run(f);
	assert_non_null(strstr(f->end.msg, "virtiofsd ("));
	assert_non_null(strstr(f->end.msg, "ended with status 1: no"));
}

static void what_the_host_lacks_is_said(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	const struct hypervisor_ops *ops = hypervisor_find("stratovirt", NULL);

	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	assert_int_equal(start(f, &err), -ENOEXEC);
	assert_non_null(strstr(err_msg(&err), "hypervisor.stratovirt.kernel: "));
	assert_non_null(strstr(err_msg(&err), "does not start at 16 MiB"));
	put_kernel(f);
	assert_int_equal(hypervisor_check_host(ops, f->config, &err), 0);
	vsock_double_missing = true;
	assert_int_equal(hypervisor_check_host(ops, f->config, &err), -ENOTSUP);
	assert_string_equal(err_msg(&err),
			    "no vhost-vsock: /dev/vhost-vsock: No such file or directory");
	assert_true(start(f, &err) < 0);
	assert_non_null(strstr(err_msg(&err), "/dev/vhost-vsock"));
	vm_free(take_ptr(f->vm));
	no_kvm = true;
	assert_int_equal(hypervisor_check_host(ops, f->config, &err), -ENOTSUP);
	assert_true(start(f, &err) < 0);
	assert_non_null(strstr(err_msg(&err), "no usable KVM"));
	assert_int_equal(f->processes, 0);
}

/* ---- disks --------------------------------------------------------------------------- */

struct answers {
	int n, errors;
	struct err err;
	char places[256];
};

static void on_plugged(const struct err *err, const struct vm_place *place, void *arg)
{
	struct answers *a = arg;

	a->n++;
	if (err) {
		a->errors++;
		a->err = *err;
	} else {
		assert_int_equal(place->type, VM_PLACE_NODE);
		strncat(a->places, place->at, sizeof(a->places) - strlen(a->places) - 1);
		strncat(a->places, " ", sizeof(a->places) - strlen(a->places) - 1);
	}
}

static void on_gone(const struct err *err, void *arg)
{
	struct answers *a = arg;

	a->n++;
	if (err) {
		a->errors++;
		a->err = *err;
	}
}

static void await(struct fixture *f, const struct answers *a, int n)
{
	int64_t end = loop_now_ms() + FIXTURE_LIMIT_MS;

	while (a->n < n && loop_now_ms() < end)
		loop_step(f->loop, 100);
	assert_int_equal(a->n, n);
}

static void until_started(struct fixture *f)
{
	starts(f);
	while (!f->started && !f->exited)
		loop_step(f->loop, 1000);
	assert_int_equal(f->exited, 0);
}

static struct vm_dev disk(struct fixture *f, const char *id)
{
	static char path[128];

	put_file(f, "disk", "x", 0644);
	snprintf(path, sizeof(path), "%s/disk", f->dir);
	return (struct vm_dev){ .type = VM_DEV_DISK, .id = id, .disk = { .path = path } };
}

static void disks_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct answers a = { 0 };
	struct vm_dev first = disk(f, "first"), dev;

	f->spec.disks = &first;
	f->spec.n_disks = 1;
	until_started(f);
	/* All at once, one too many; one that is there, one that is not. */
	for (int i = 0; i < 4; i++) {
		auto_free char *id = xasprintf("d%d", i);

		dev = disk(f, id);
		vm_plug(f->vm, &dev, on_plugged, &a);
	}
	dev = disk(f, "d0");
	vm_plug(f->vm, &dev, on_plugged, &a);
	vm_unplug(f->vm, "nope", on_gone, &a);
	await(f, &a, 6);
	assert_string_equal(a.places, "/dev/vdb /dev/vdc /dev/vdd ");
	assert_int_equal(a.errors, 3);
	/* What left makes room, at its place. */
	a = (struct answers){ 0 };
	vm_unplug(f->vm, "d1", on_gone, &a);
	await(f, &a, 1);
	dev = disk(f, "again");
	vm_plug(f->vm, &dev, on_plugged, &a);
	await(f, &a, 2);
	assert_int_equal(a.errors, 0);
	assert_string_equal(a.places, "/dev/vdc ");
	vm_unplug(f->vm, "first", on_gone, &a);
	await(f, &a, 3);
	assert_int_equal(a.errors, 0);
	/* Twice is as good as once. */
	vm_pause(f->vm, on_gone, &a);
	await(f, &a, 4);
	vm_pause(f->vm, on_gone, &a);
	await(f, &a, 5);
	vm_resume(f->vm, on_gone, &a);
	await(f, &a, 6);
	assert_int_equal(a.errors, 0);
	vm_stop(f->vm);
	run(f);
	assert_int_equal(f->end.code, 0);
}

static void plugging_fails(void **state)
{
	static const struct {
		const char *fault, *want;
		bool goes_on; /* and another disk gets the place */
	} cases[] = {
		{ "blockdev-add=refuse", "QMP: blockdev-add: the fake refuses", true },
		{ "device_add=refuse", "QMP: device_add: the fake refuses", true },
		{ "blockdev-add=die", "blockdev-add: QMP: the connection is closed", false },
		{ "device_add=die", "device_add: QMP: the connection is closed", false },
		{ "blockdev-add=garbage", "the answer is no JSON object", false },
		{ "device_add=half", "device_add: QMP: the connection is closed", false },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answers a = { 0 };
		struct fixture *f;
		struct vm_dev dev;

		setup(state);
		f = *state;
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		until_started(f);
		dev = disk(f, "a");
		vm_plug(f->vm, &dev, on_plugged, &a);
		await(f, &a, 1);
		assert_int_equal(a.errors, 1);
		if (!strstr(a.err.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].fault, a.err.msg);
		if (cases[i].goes_on) {
			dev = disk(f, "b");
			vm_plug(f->vm, &dev, on_plugged, &a);
			await(f, &a, 2);
			assert_string_equal(a.places, "/dev/vda ");
			vm_stop(f->vm);
		}
		/* Its end may have come together with the answer. */
		if (!f->exited)
			run(f);
		assert_true(cases[i].goes_on ? f->end.code == 0 : f->end.code < 0);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

static void a_machine_that_ends_answers(void **state)
{
	struct fixture *f = *state;
	struct answers a = { 0 };
	struct vm_dev dev;

	setenv("KATA_FAKE_FAULT", "device_add=hang", 1);
	until_started(f);
	dev = disk(f, "a");
	vm_plug(f->vm, &dev, on_plugged, &a);
	for (int i = 0; i < 10; i++)
		loop_step(f->loop, 20);
	assert_int_equal(a.n, 0);
	vm_unplug(f->vm, "a", on_gone, &a);
	vm_stop(f->vm);
	run(f);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.errors, 2);
	dev = disk(f, "b");
	vm_plug(f->vm, &dev, on_plugged, &a);
	await(f, &a, 3);
	assert_int_equal(a.err.code, -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_fails_at_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(the_agent_is_reached, setup, teardown),
		cmocka_unit_test_setup_teardown(the_guest_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(virtiofsd_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_host_lacks_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(disks_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(plugging_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_machine_that_ends_answers, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("stratovirt", tests, NULL, NULL);
}
