/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/sandbox/disk.h"
#include "oci/spec.h"

#define SPEC(LINUX)                                                                      \
	"{\"ociVersion\": \"1.0.2\", \"process\": {\"args\": [\"a\"], \"cwd\": \"/\"}, " \
	"\"root\": {\"path\": \"r\"}, \"linux\": {" LINUX "}}"
/* No host has a block device with these numbers. */
#define DISK   "{\"path\": \"/dev/x\", \"type\": \"b\", \"major\": 4000, \"minor\": 1}"
#define TTY    "{\"path\": \"/dev/y\", \"type\": \"c\", \"major\": 5, \"minor\": 1}"
#define RULES_ "\"resources\": {\"devices\": ["

static Grpc__Spec *parse(const char *text)
{
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	if (oci_spec_parse(text, strlen(text), "spec", &spec, &err) < 0)
		fail_msg("%s", err_msg(&err));
	return spec;
}

static void devices_are_found_or_named(void **state)
{
	static const struct {
		const char *spec;
		bool can_plug;
		const char *error; /* NULL: none */
		size_t devices;	   /* that stay in the specification */
	} cases[] = {
		{ SPEC(""), false, NULL, 0 },
		{ SPEC("\"devices\": [" TTY "]"), false, NULL, 1 },
		{ SPEC("\"devices\": [" TTY ", " DISK "]"), false,
		  "device /dev/x: is a block device of the host, and no disk can be plugged", 2 },
		{ SPEC("\"devices\": [" DISK "]"), true,
		  "device /dev/x: there is no block device 4000:1", 1 },
		/* A rule that denies all is not one that allows all. */
		{ SPEC("\"devices\": [" DISK "], " RULES_
		       "{\"allow\": false, \"access\": \"rwm\"}]}"),
		  false, "device /dev/x: is a block device", 1 },
		{ SPEC("\"devices\": [" DISK ", " TTY ", " DISK "], " RULES_
		       "{\"allow\": true, \"access\": \"rwm\"}]}"),
		  true, NULL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__Spec *spec = parse(cases[i].spec);
		struct disk_plan plan;
		struct err err = ERR_INIT;
		int r = disk_plan(NULL, NULL, cases[i].can_plug, spec, &plan, &err);

		if (cases[i].error ? r == 0 || !strstr(err_msg(&err), cases[i].error) : r < 0)
			fail_msg("%s: %s", cases[i].spec, err_msg(&err));
		assert_int_equal(spec->linux->n_devices, cases[i].devices);
		assert_int_equal(plan.n, 0);
		disk_plan_free(&plan);
		grpc__spec__free_unpacked(spec, NULL);
	}
}

static void the_agent_is_told(void **state)
{
	static char *options[] = { (char *)"ro", (char *)"noatime" };
	const struct sandbox_disk root = {
		.source = (char *)"/dev/root",
		.fstype = (char *)"xfs",
		.options = { options, 2 },
		.read_only = true,
	};
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec *spec = parse(SPEC(""));
	struct disk_want more[3] = { { .path = NULL } };
	struct disk_plan plan, all;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(disk_plan(&root, NULL, false, spec, &plan, &err), -ENOTSUP);
	assert_non_null(strstr(err_msg(&err), "root file system /dev/root: is a block device"));
	assert_int_equal(disk_plan(&root, NULL, true, spec, &plan, &err), 0);
	assert_int_equal(plan.n, 1);
	assert_string_equal(plan.v[0].path, "/dev/root");
	assert_true(plan.v[0].read_only);
	assert_null(plan.v[0].device);

	more[0] = plan.v[0];
	more[0].at = (struct vm_place){ VM_PLACE_PCI, "02/01" };
	more[1].use = more[2].use = DISK_DEVICE;
	more[1].device = (char *)"/dev/a";
	more[1].at = (struct vm_place){ VM_PLACE_SCSI, "0:1" };
	more[2].device = (char *)"/dev/b";
	more[2].at = (struct vm_place){ VM_PLACE_NODE, "/dev/vdc" };
	all = plan;
	all.v = more;
	all.n = 3;
	disk_plan_request(&all, "c1", &req);
	assert_int_equal(req.n_storages, 1);
	assert_string_equal(req.storages[0]->driver, "blk");
	assert_string_equal(req.storages[0]->source, "02/01");
	assert_string_equal(req.storages[0]->fstype, "xfs");
	assert_int_equal(req.storages[0]->n_options, 2);
	assert_string_equal(req.storages[0]->options[1], "noatime");
	assert_string_equal(req.storages[0]->mount_point, "/run/kata-containers/sandbox/rootfs/c1");
	assert_int_equal(req.n_devices, 2);
	assert_string_equal(req.devices[0]->type, "scsi");
	assert_string_equal(req.devices[0]->id, "0:1");
	assert_string_equal(req.devices[0]->container_path, "/dev/a");
	assert_string_equal(req.devices[1]->type, "mmioblk");
	assert_string_equal(req.devices[1]->vm_path, "/dev/vdc");
	disk_plan_unrequest(&req);
	disk_plan_free(&plan);
	grpc__spec__free_unpacked(spec, NULL);
}

/* ---- direct volumes --------------------------------------------------------------- */

#define VOLUME(options)                                                                              \
	"{\"ociVersion\": \"1.0.2\", \"mounts\": [{\"destination\": \"/data\", \"type\": \"bind\", " \
	"\"source\": \"/v\", \"options\": [" options "]}, {\"destination\": \"/other\", "            \
	"\"type\": \"bind\", \"source\": \"/w\"}], \"linux\": {}}"

int __wrap_direct_volume_load(const char *root, const char *path, struct direct_volume *v,
			      struct err *err);

/* /v is one, and nothing else. */
int __wrap_direct_volume_load(const char *root, const char *path, struct direct_volume *v,
			      struct err *err)
{
	(void)err;
	assert_string_equal(root, DIRECT_VOLUMES);
	if (strcmp(path, "/v") != 0)
		return -ENOENT;
	*v = (struct direct_volume){ .type = xstrdup("block"),
				     .device = xstrdup("/dev/sdz"),
				     .fstype = xstrdup("xfs"),
				     .has_group = true,
				     .group = 7,
				     .on_mismatch = true };
	strv_add(&v->options, "noatime");
	return 0;
}

static void volumes_are_mounted_by_the_guest(void **state)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec *spec = parse(VOLUME("\"ro\""));
	struct err err = ERR_INIT;
	struct disk_plan plan;

	(void)state;
	assert_int_equal(disk_plan(NULL, NULL, true, spec, &plan, &err), 0);
	assert_int_equal(plan.n, 1);
	assert_int_equal(plan.v[0].use, DISK_VOLUME);
	assert_string_equal(plan.v[0].path, "/dev/sdz");
	assert_string_equal(plan.v[0].source, "/v");
	assert_true(plan.v[0].read_only);
	assert_string_equal(spec->mounts[0]->source, DISK_GUEST_VOLUMES "L3Y=");
	assert_string_equal(spec->mounts[1]->source, "/w");
	plan.v[0].at = (struct vm_place){ .type = VM_PLACE_SCSI };
	snprintf(plan.v[0].at.at, sizeof(plan.v[0].at.at), "0:0:0:1");
	disk_plan_request(&plan, "cc", &req);
	assert_int_equal(req.n_storages, 1);
	assert_string_equal(req.storages[0]->driver, "scsi");
	assert_string_equal(req.storages[0]->fstype, "xfs");
	assert_string_equal(req.storages[0]->mount_point, DISK_GUEST_VOLUMES "L3Y=");
	assert_int_equal(req.storages[0]->n_options, 2);
	assert_string_equal(req.storages[0]->options[0], "noatime");
	assert_string_equal(req.storages[0]->options[1], "ro");
	assert_int_equal(req.storages[0]->fs_group->group_id, 7);
	assert_int_equal(req.storages[0]->fs_group->group_change_policy,
			 TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch);
	disk_plan_unrequest(&req);
	disk_plan_free(&plan);
	grpc__spec__free_unpacked(spec, NULL);
}

static void volumes_want_a_machine_that_takes_disks(void **state)
{
	Grpc__Spec *spec = parse(VOLUME(""));
	struct err err = ERR_INIT;
	struct disk_plan plan;

	(void)state;
	assert_int_equal(disk_plan(NULL, NULL, false, spec, &plan, &err), -ENOTSUP);
	assert_string_equal(err_msg(&err),
			    "mount /data: /v is the direct volume /dev/sdz, and no disk can be "
			    "plugged into this machine (machine_type, block_device_driver, "
			    "default_bridges)");
	disk_plan_free(&plan);
	grpc__spec__free_unpacked(spec, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_found_or_named),
		cmocka_unit_test(the_agent_is_told),
		cmocka_unit_test(volumes_are_mounted_by_the_guest),
		cmocka_unit_test(volumes_want_a_machine_that_takes_disks),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
