/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest/agent/device_spec.h"

static Grpc__Device one = GRPC__DEVICE__INIT, two = GRPC__DEVICE__INIT;
static Grpc__Device *devices[] = { &one, &two };

static void add_device(Grpc__Spec *s, const char *path, int64_t major, int64_t minor)
{
	Grpc__LinuxDevice *d = xcalloc(1, sizeof(*d));

	grpc__linux_device__init(d);
	d->path = xstrdup(path);
	d->type = xstrdup("b");
	d->major = major;
	d->minor = minor;
	s->linux->devices = xrealloc(s->linux->devices, (s->linux->n_devices + 1) * sizeof(d));
	s->linux->devices[s->linux->n_devices++] = d;
}

static void add_rule(Grpc__Spec *s, int64_t major, int64_t minor)
{
	Grpc__LinuxResources *r = s->linux->resources;
	Grpc__LinuxDeviceCgroup *d = xcalloc(1, sizeof(*d));

	grpc__linux_device_cgroup__init(d);
	d->type = xstrdup("b");
	d->major = major;
	d->minor = minor;
	r->devices = xrealloc(r->devices, (r->n_devices + 1) * sizeof(d));
	r->devices[r->n_devices++] = d;
}

/* As if it came by wire: all of it is the message's own. */
static Grpc__Spec *spec_new(void)
{
	Grpc__Spec *s = xcalloc(1, sizeof(*s));

	grpc__spec__init(s);
	s->linux = xcalloc(1, sizeof(*s->linux));
	grpc__linux__init(s->linux);
	s->linux->resources = xcalloc(1, sizeof(*s->linux->resources));
	grpc__linux_resources__init(s->linux->resources);
	s->process = xcalloc(1, sizeof(*s->process));
	grpc__process__init(s->process);
	return s;
}

static void add_env(Grpc__Spec *s, const char *text)
{
	s->process->env = xrealloc(s->process->env, (s->process->n_env + 1) * sizeof(char *));
	s->process->env[s->process->n_env++] = xstrdup(text);
}

static int setup(void **state)
{
	(void)state;
	one.type = two.type = (char *)"blk";
	one.id = (char *)"02/00";
	two.vm_path = (char *)"/dev/vdb";
	one.container_path = (char *)"/dev/xda";
	two.container_path = (char *)"/dev/xdb";
	return 0;
}

static void test_check(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(device_spec_check(devices, 2, &err), 0);
	two.container_path = (char *)"/dev/xda";
	assert_int_equal(device_spec_check(devices, 2, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "/dev/xda: requested twice"));
	two.container_path = (char *)"";
	assert_int_equal(device_spec_check(devices, 2, &err), -EINVAL);
	two.container_path = (char *)"/dev/xdb";
	two.type = (char *)"";
	assert_int_equal(device_spec_check(devices, 2, &err), -EINVAL);
	two.type = (char *)"blk";
	two.vm_path = (char *)"";
	assert_int_equal(device_spec_check(devices, 2, &err), -EINVAL);
}

static void test_numbers(void **state)
{
	/* The first guest's numbers are the second's host numbers: no chain may follow. */
	const struct device_found found[] = { { .type = 'b', .major = 8, .minor = 16 },
					      { .type = 'b', .major = 254, .minor = 0 } };
	Grpc__Spec *s = spec_new();
	Grpc__LinuxResources *r = s->linux->resources;
	struct err err = ERR_INIT;

	(void)state;
	add_device(s, "/dev/other", 1, 2);
	add_device(s, "/dev/xda", 8, 0);
	add_device(s, "/dev/xdb", 8, 16);
	add_rule(s, 8, 0);
	add_rule(s, 8, 16);
	add_rule(s, 1, 2);
	assert_int_equal(device_spec_apply(s, devices, 2, found, &err), 0);
	assert_true(s->linux->devices[0]->major == 1 && s->linux->devices[0]->minor == 2);
	assert_true(s->linux->devices[1]->major == 8 && s->linux->devices[1]->minor == 16);
	assert_true(s->linux->devices[2]->major == 254 && s->linux->devices[2]->minor == 0);
	assert_int_equal(r->n_devices, 5);
	assert_true(r->devices[0]->major == 8 && r->devices[0]->minor == 16);
	assert_true(r->devices[1]->major == 254 && r->devices[1]->minor == 0);
	assert_true(r->devices[2]->major == 1 && !r->devices[2]->allow);
	assert_true(r->devices[3]->allow && r->devices[3]->major == 8);
	assert_string_equal(r->devices[4]->access, "rwm");
	assert_string_equal(r->devices[4]->type, "b");
	protobuf_c_message_free_unpacked(&s->base, NULL);
}

static void test_missing(void **state)
{
	const struct device_found found[] = { { .type = 'b' }, { .type = 'b' } };
	Grpc__Spec *s = spec_new();
	struct err err = ERR_INIT;

	(void)state;
	add_device(s, "/dev/xda", 8, 0);
	assert_int_equal(device_spec_apply(s, devices, 2, found, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "/dev/xdb"));
	assert_int_equal(s->linux->devices[0]->major, 8);
	protobuf_c_message_free_unpacked(&s->base, NULL);
}

static void test_addresses(void **state)
{
	const struct device_found found[] = {
		{ .type = 'c',
		  .major = 236,
		  .path = "/dev/vfio/3",
		  .addresses = 2,
		  .host = { "0000:1a:01.0", "0000:1a:01.1" },
		  .guest = { "0000:01:00.0", "0000:01:00.1" } },
	};
	Grpc__Spec *s = spec_new();
	struct err err = ERR_INIT;

	(void)state;
	add_device(s, "/dev/xda", 1, 1);
	add_env(s, "PCIDEVICE_X=0000:1a:01.1,0000:1a:01.0");
	add_env(s, "PCIDEVICE_X_INFO={\"0000:1a:01.0\":{\"a\":1}}");
	add_env(s, "PCIDEVICE_Y=0000:1a:01.0,0000:ff:01.0");
	add_env(s, "OTHER=0000:1a:01.0");
	add_env(s, "PCIDEVICE_EMPTY=");
	add_env(s, "NOVALUE");
	assert_int_equal(device_spec_apply(s, devices, 1, found, &err), 0);
	assert_string_equal(s->linux->devices[0]->path, "/dev/vfio/3");
	assert_string_equal(s->process->env[0], "PCIDEVICE_X=0000:01:00.1,0000:01:00.0");
	assert_string_equal(s->process->env[1], "PCIDEVICE_X_INFO={\"0000:01:00.0\":{\"a\":1}}");
	assert_string_equal(s->process->env[2], "PCIDEVICE_Y=0000:1a:01.0,0000:ff:01.0");
	assert_string_equal(s->process->env[3], "OTHER=0000:1a:01.0");
	assert_string_equal(s->process->env[4], "PCIDEVICE_EMPTY=");
	protobuf_c_message_free_unpacked(&s->base, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_check, setup),
		cmocka_unit_test_setup(test_numbers, setup),
		cmocka_unit_test_setup(test_missing, setup),
		cmocka_unit_test_setup(test_addresses, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
