/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of ACRN against fakes of acrn-dm and acrnctl, which fail at every step. */
#include "tests/unit/hypervisor/driver_fixture.h"
#include "tests/unit/hypervisor/vsock_double.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "host/hypervisor/acrn/args.h"
#include "host/hypervisor/acrn/hsm.h"

#define NAME "acrn (" FAKE ")"

static bool no_hsm;

/* In the place of the real ones (the linker's --wrap): no test depends on the host's. */
int __wrap_acrn_hsm_check(struct err *err);
int __wrap_acrn_hsm_check(struct err *err)
{
	return no_hsm ? err_set(err, ENOTSUP, "no service machine") : 0;
}

/* A disk with a partition table of one partition. */
static void put_image(struct fixture *f)
{
	auto_free char *path = path_join(f->dir, "image");
	unsigned char disk[1024] = { 0 };

	disk[446 + 4] = 0x83;
	disk[446 + 8] = 1;
	disk[446 + 12] = 1;
	disk[510] = 0x55;
	disk[511] = 0xaa;
	assert_int_equal(file_replace(path, disk, sizeof(disk), 0644, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = fixture_new("/tmp");

	no_hsm = vsock_double_missing = false;
	unsetenv("KATA_FAKE_FAULT");
	setenv("KATA_FAKE_ACRN", f->run, 1);
	put_image(f);
	fixture_configure(f, xasprintf("[hypervisor.acrn]\npath = \"" FAKE "\"\n"
				       "ctlpath = \"" FAKE_CTL "\"\n"
				       "kernel = \"/proc/self/exe\"\nimage = \"%s/image\"\n"
				       "[runtime]\ninternetworking_model = \"none\"\n",
				       f->dir));
	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	f->spec.size = (struct vm_size){ 1, 1, 128, 128 };
	f->spec.netns = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void it_fails_at_each_step(void **state)
{
	static const struct {
		const char *fault, *params, *want;
	} cases[] = {
		{ "start=die", "", NAME " ended with status 1: fake: died at start" },
		{ "start=refuse", "", NAME " ended with status 1: vm_create failed" },
		{ "guest=die", "", NAME " ended with status 1: fake: the guest died" },
		{ "", "fake=panic", " | Kernel panic - not syncing: no root" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f;

		setup(state);
		f = *state;
		f->spec.kernel_params = cases[i].params;
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		starts(f);
		run(f);
		if (!strstr(f->end.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].fault, f->end.msg);
		/* It may have been slow to fail. */
		assert_true(f->started >= 0 && f->started <= 1);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

static void the_agent_is_reached(void **state)
{
	struct fixture *f = *state;
	auto_str struct str address = STR_INIT;
	bool serial;
	int fd;

	f->connect = f->stop_at_agent = true;
	starts(f);
	run(f);
	assert_int_equal(f->end.code, 0);
	assert_int_equal(f->started, 1);
	assert_int_equal(f->agent, 1);
	assert_string_equal(f->roles, "acrn ");
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), "vsock://42");
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	close(fd);
}

static void one_that_is_deaf_is_killed(void **state)
{
	struct fixture *f = *state;

	setenv("KATA_FAKE_FAULT", "stop=hang", 1);
	f->stop_when_started = true;
	starts(f);
	run(f);
	assert_int_equal(f->end.code, 0);
}

static void killed_while_running(void **state)
{
	struct fixture *f = *state;

	f->connect = true;
	starts(f);
	while (!f->agent && !f->exited)
		loop_step(f->loop, 1000);
	assert_int_equal(f->exited, 0);
	kill(vm_pid(f->vm), SIGKILL);
	run(f);
	assert_non_null(strstr(f->end.msg, NAME " was killed by signal 9"));
}

static void what_the_host_lacks_is_said(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	const struct hypervisor_ops *ops = hypervisor_find("acrn", NULL);

	assert_int_equal(hypervisor_check_host(ops, f->config, &err), 0);
	vsock_double_missing = true;
	assert_true(start(f, &err) < 0);
	assert_non_null(strstr(err_msg(&err), "/dev/vhost-vsock"));
	vm_free(take_ptr(f->vm));
	no_hsm = true;
	assert_int_equal(hypervisor_check_host(ops, f->config, &err), -ENOTSUP);
	assert_true(start(f, &err) < 0);
	assert_string_equal(err_msg(&err), "no service machine");
	vm_free(take_ptr(f->vm));
	no_hsm = vsock_double_missing = false;
	f->spec.size.vcpus = 1000;
	assert_true(start(f, &err) < 0);
	assert_non_null(strstr(err_msg(&err), "a machine of 1000 processors is too large"));
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

static void disks_come_and_stay(void **state)
{
	struct fixture *f = *state;
	struct answers a = { 0 };
	struct vm_dev dev = disk(f, "d");
	auto_free char *socket = path_join(f->run, "sbx-x");

	until_started(f);
	/* The fake listens a moment after it has begun to run. */
	while (access(socket, F_OK) < 0 && !f->exited)
		loop_step(f->loop, 10);
	/* One at a time. */
	vm_plug(f->vm, &dev, on_plugged, &a);
	vm_plug(f->vm, &dev, on_plugged, &a);
	await(f, &a, 2);
	assert_int_equal(a.errors, 1);
	assert_int_equal(a.err.code, -EBUSY);
	assert_string_equal(a.places, "/dev/vdb ");
	for (int i = 1; i < ACRN_DISKS; i++) {
		vm_plug(f->vm, &dev, on_plugged, &a);
		await(f, &a, 2 + i);
	}
	assert_int_equal(a.errors, 1);
	assert_non_null(strstr(a.places, " /dev/vdi "));
	vm_plug(f->vm, &dev, on_plugged, &a);
	await(f, &a, 2 + ACRN_DISKS);
	assert_int_equal(a.err.code, -ENOSPC);
	vm_stop(f->vm);
	run(f);
	assert_int_equal(f->end.code, 0);
	vm_plug(f->vm, &dev, on_plugged, &a);
	await(f, &a, 3 + ACRN_DISKS);
	assert_int_equal(a.err.code, -EPIPE);
}

static void plugging_fails(void **state)
{
	static const struct {
		const char *fault, *path, *want;
	} cases[] = {
		{ "blkrescan=die", NULL, "acrnctl (" FAKE_CTL ") ended with status 3" },
		{ "", "/nonexistent", "acrnctl (" FAKE_CTL "): Unable to rescan" },
		{ "", "/a,b", "disk /a,b: ACRN takes no path with a comma" },
	};

	teardown(state);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *socket = NULL;
		struct answers a = { 0 };
		struct fixture *f;
		struct vm_dev dev;

		setup(state);
		f = *state;
		setenv("KATA_FAKE_FAULT", cases[i].fault, 1);
		until_started(f);
		socket = path_join(f->run, "sbx-x");
		while (access(socket, F_OK) < 0 && !f->exited)
			loop_step(f->loop, 10);
		dev = disk(f, "d");
		if (cases[i].path)
			dev.disk.path = cases[i].path;
		vm_plug(f->vm, &dev, on_plugged, &a);
		await(f, &a, 1);
		assert_int_equal(a.errors, 1);
		if (!strstr(a.err.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].want, a.err.msg);
		vm_stop(f->vm);
		run(f);
		if (i + 1 < ARRAY_SIZE(cases))
			teardown(state);
	}
}

static void a_machine_that_ends_answers(void **state)
{
	struct fixture *f = *state;
	struct answers a = { 0 };
	struct vm_dev dev = disk(f, "d");

	setenv("KATA_FAKE_FAULT", "blkrescan=hang", 1);
	until_started(f);
	vm_plug(f->vm, &dev, on_plugged, &a);
	for (int i = 0; i < 5; i++)
		loop_step(f->loop, 20);
	assert_int_equal(a.n, 0);
	vm_stop(f->vm);
	run(f);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_fails_at_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(the_agent_is_reached, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_deaf_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_host_lacks_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(disks_come_and_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(plugging_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_machine_that_ends_answers, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("acrn", tests, NULL, NULL);
}
