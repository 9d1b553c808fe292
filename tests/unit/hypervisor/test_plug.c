/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are plugged into a QEMU that answers from a script. */
#include <unistd.h>

#include "jobs_fixture.h"

static const struct vm_size fixed = { 1, 1, 256, 256 };

#define NODE(NAME, RO, AIO)                                                             \
	"blockdev-add {\"driver\":\"raw\",\"node-name\":\"" NAME "\",\"read-only\":" RO \
	",\"file\":"                                                                    \
	"{\"driver\":\"file\",\"filename\":\"/proc/self/exe\",\"aio\":\"" AIO "\"}}\n"
#define BLK(ID, NODE_, ADDR, MORE)                                                            \
	"device_add {\"driver\":\"virtio-blk-pci\",\"bus\":\"pci-bridge-0\",\"addr\":\"" ADDR \
	"\"," MORE "\"id\":\"" ID "\",\"drive\":\"" NODE_ "\",\"share-rw\":true}\n"

static void disks_come_and_go_behind_a_bridge(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer deleted[] = { { "device_del", OK, NULL, DELETED("a"), false }, { 0 } };

	(void)state;
	plug(f, "a", false);
	plug(f, "b", true);
	run(f, NULL, 2);
	assert_string_equal(str_text(&f->got), "plug 0 02/01;plug 0 02/02;");
	assert_string_equal(str_text(&f->said),
			    NODE("disk-0", "false", "io_uring") BLK("a", "disk-0", "01", "")
				    NODE("disk-1", "true", "io_uring")
					    BLK("b", "disk-1", "02", ""));
	f->said.len = f->got.len = 0;
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	plug(f, "c", false);
	run(f, deleted, 4);
	assert_string_equal(str_text(&f->got), "unplug;plug 0 02/01;");
	assert_string_equal(str_text(&f->said),
			    "device_del {\"id\":\"a\"}\n"
			    "blockdev-del {\"node-name\":\"disk-0\"}\n" NODE(
				    "disk-0", "false", "io_uring") BLK("c", "disk-0", "01", ""));
	drop(f);
}

static void every_key_of_disks_is_told(void **state)
{
	struct fixture *f = make("block_device_aio = \"native\"\nblock_device_cache_set = true\n"
				 "block_device_cache_noflush = true\nenable_iothreads = true\n"
				 "block_device_logical_sector_size = 512\n"
				 "block_device_physical_sector_size = 4096\nnum_queues = 2\n"
				 "queue_size = 64\nenable_iommu_platform = true\n",
				 fixed);

	(void)state;
	plug(f, "a", false);
	run(f, NULL, 1);
	assert_string_equal(
		str_text(&f->said),
		"blockdev-add {\"driver\":\"raw\",\"node-name\":\"disk-0\",\"read-only\":false,"
		"\"cache\":{\"direct\":true,\"no-flush\":true},"
		"\"file\":{\"driver\":\"file\",\"filename\":\"/proc/self/exe\",\"aio\":\"native\","
		"\"cache\":{\"direct\":true,\"no-flush\":true}}}\n"
		"device_add {\"driver\":\"virtio-blk-pci\",\"bus\":\"pci-bridge-0\",\"addr\":\"01\","
		"\"num-queues\":2,\"queue-size\":64,\"iothread\":\"iothread0\","
		"\"disable-legacy\":\"on\",\"iommu_platform\":true,\"id\":\"a\",\"drive\":\"disk-0\",\"share-rw\":true,"
		"\"logical_block_size\":512,\"physical_block_size\":4096}\n");
	drop(f);
}

static void cache_keys_count_when_set(void **state)
{
	static const struct {
		const char *lines, *want;
	} cases[] = {
		{ "block_device_cache_direct = true", NULL },
		{ "block_device_cache_set = true\nblock_device_cache_direct = true",
		  "\"cache\":{\"direct\":true,\"no-flush\":false}" },
		{ "block_device_cache_set = true",
		  "\"cache\":{\"direct\":false,\"no-flush\":false}" },
		{ "block_device_aio = \"threads\"", "\"aio\":\"threads\"" },
		{ "indep_iothreads = 3", "\"iothread\":\"indep_iothread_0\"" },
		{ "block_device_driver = \"virtio-scsi\"",
		  "device_add {\"driver\":\"scsi-hd\",\"bus\":\"scsi0.0\",\"scsi-id\":0,\"lun\":0,"
		  "\"id\":\"a\",\"drive\":\"disk-0\",\"share-rw\":true}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = make(cases[i].lines, fixed);

		plug(f, "a", false);
		run(f, NULL, 1);
		if (!cases[i].want ? strstr(str_text(&f->said), "cache") != NULL :
				     strstr(str_text(&f->said), cases[i].want) == NULL)
			fail_msg("%s: %s", cases[i].lines, str_text(&f->said));
		drop(f);
	}
}

static void places(void **state)
{
	static const struct {
		const char *lines;
		unsigned place;
		const char *want;
	} cases[] = {
		{ "", 0, "02/01" },
		{ "", 29, "02/1e" },
		{ "default_bridges = 2", 30, "03/01" },
		{ "block_device_driver = \"virtio-scsi\"", 0, "0:0" },
		{ "block_device_driver = \"virtio-scsi\"", 255, "0:255" },
		{ "block_device_driver = \"virtio-scsi\"", 256, "1:0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fixture *f = make(cases[i].lines, fixed);
		struct vm_place at;

		plug_place(&f->config->hypervisor, cases[i].place, &at);
		assert_string_equal(at.at, cases[i].want);
		drop(f);
	}
}

static void a_device_that_is_refused_leaves_no_node(void **state)
{
	struct fixture *f = make("block_device_driver = \"virtio-scsi\"", fixed);
	struct answer script[] = { { "device_add", ERROR("no way"), NULL, NULL, false }, { 0 } };

	(void)state;
	plug(f, "a", false);
	plug(f, "b", false);
	run(f, script, 2);
	assert_string_equal(str_text(&f->got),
			    "plug: disk a (/proc/self/exe): QMP: device_add: no way;plug 1 0:0;");
	assert_non_null(strstr(str_text(&f->said), "blockdev-del {\"node-name\":\"disk-0\"}\n"));
	drop(f);
}

static void without_io_uring_threads_will_do(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = {
		{ "blockdev-add", ERROR("aio=io_uring is not there"), NULL, NULL, false }, { 0 }
	};

	(void)state;
	plug(f, "a", false);
	run(f, script, 1);
	assert_string_equal(str_text(&f->got), "plug 0 02/01;");
	assert_non_null(strstr(str_text(&f->said), NODE("disk-0", "false", "threads")));
	drop(f);
}

static void what_cannot_be_plugged_is_named(void **state)
{
	struct fixture *f = make("default_bridges = 0", fixed);
	struct vm_dev dev = { .type = VM_DEV_DISK, .id = "x", .disk = { .path = "/nonexistent" } };

	(void)state;
	jobs_plug(&f->jobs, &dev, on_plug, f);
	dev.disk.path = "/dev/null";
	jobs_plug(&f->jobs, &dev, on_plug, f);
	dev.disk.path = "/proc/self/exe";
	jobs_plug(&f->jobs, &dev, on_plug, f);
	jobs_unplug(&f->jobs, "x", on_unplug, f);
	run(f, NULL, 4);
	assert_string_equal(str_text(&f->got),
			    "plug: disk x (/nonexistent): No such file or directory;"
			    "plug: disk x (/dev/null): is neither a block device nor a file;"
			    "plug: hypervisor.qemu.default_bridges: without a bridge there is no "
			    "place for disks with the driver \"virtio-blk\";"
			    "unplug: disk x: there is none of that name;");
	assert_int_equal(f->said.len, 0);
	drop(f);
}

static void thirty_disks_fill_a_bridge(void **state)
{
	struct fixture *f = make("", fixed);

	(void)state;
	for (int i = 0; i < 31; i++) {
		auto_free char *id = xasprintf("d%d", i);

		plug(f, id, false);
	}
	plug(f, "d3", false);
	run(f, NULL, 32);
	assert_non_null(strstr(str_text(&f->got),
			       "plug 0 02/1e;plug: all 30 places for disks are "
			       "taken;plug: disk d3: there is one of that name;"));
	drop(f);
}

/* The event may overtake the answer. */
static void the_event_may_come_first(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = { { "device_del", OK, DELETED("a"), NULL, false }, { 0 } };

	(void)state;
	plug(f, "a", false);
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	run(f, script, 2);
	assert_string_equal(str_text(&f->got), "plug 0 02/01;unplug;");
	drop(f);
}

static void a_guest_that_does_not_let_go_keeps_it(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = {
		{ "device_del", OK, NULL, DELETED("another"), false },
		{ "device_del", OK, NULL,
		  "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": \"a\"}}",
		  false },
		{ "device_del", ERROR("Device 'a' is busy"), NULL, NULL, false },
		{ "device_del", OK, NULL, DELETED("a"), false },
		{ 0 },
	};

	(void)state;
	f->jobs.guest_ms = 20;
	plug(f, "a", false);
	for (int i = 0; i < 4; i++)
		jobs_unplug(&f->jobs, "a", on_unplug, f);
	run(f, script, 5);
	assert_string_equal(str_text(&f->got),
			    "plug 0 02/01;"
			    "unplug: disk a: the guest does not let go of a within 20 ms;"
			    "unplug: disk a: the guest needs a;"
			    "unplug: disk a: QMP: device_del: Device 'a' is busy;unplug;");
	drop(f);
}

/* A guest that lets go of it after the limit, or has lost it: only the node is left. */
static void what_went_late_is_not_asked_for_again(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = {
		{ "device_del", OK, NULL, NULL, false },
		{ "device_add", OK, NULL, DELETED("a"), false },
		{ 0 },
	};

	(void)state;
	f->jobs.guest_ms = 20;
	plug(f, "a", false);
	run(f, NULL, 1);
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	plug(f, "b", false);
	plug(f, "c", false);
	run(f, script, 4);
	f->said.len = f->got.len = 0;
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	plug(f, "a", false);
	run(f, NULL, 6);
	assert_string_equal(str_text(&f->got), "unplug;plug 0 02/01;");
	assert_string_equal(str_text(&f->said),
			    "blockdev-del {\"node-name\":\"disk-0\"}\n" NODE(
				    "disk-0", "false", "io_uring") BLK("a", "disk-0", "01", ""));
	drop(f);
}

/* A node that is still there has its name, and so the next disk gets another one. */
static void what_cannot_be_undone_keeps_its_place(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = { { "device_add", ERROR("no way"), NULL, NULL, false },
				   { "blockdev-del", ERROR("in use"), NULL, NULL, false },
				   { 0 } };

	(void)state;
	plug(f, "a", false);
	plug(f, "b", false);
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	run(f, script, 3);
	assert_string_equal(str_text(&f->got),
			    "plug: disk a (/proc/self/exe): QMP: device_add: no way;"
			    "plug 0 02/02;unplug: disk a: there is none of that name;");
	drop(f);
}

/* QEMU may be in the hands of its guest. */
static void events_of_no_sense_are_passed_over(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = {
		{ "device_del", OK, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": null}}",
		  DELETED("a"), false },
		{ "blockdev-del", OK, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": 1}}",
		  "{\"event\": \"DEVICE_DELETED\"}", false },
		{ 0 },
	};

	(void)state;
	plug(f, "a", false);
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	run(f, script, 2);
	assert_string_equal(str_text(&f->got), "plug 0 02/01;unplug;");
	drop(f);
}

static void the_machines_end_ends_all(void **state)
{
	struct fixture *f = make("", fixed);
	struct answer script[] = { { "blockdev-add", NULL, NULL, NULL, false }, { 0 } };

	(void)state;
	plug(f, "a", false);
	jobs_unplug(&f->jobs, "a", on_unplug, f);
	jobs_resize(&f->jobs, 2, 256, on_resize, f);
	f->script = script;
	for (int i = 0; i < 5; i++)
		loop_step(f->loop, 10);
	close_fd(&f->peer);
	for (int i = 0; i < ROUNDS_MAX && f->ends < 3; i++)
		loop_step(f->loop, 10);
	assert_non_null(strstr(str_text(&f->got), "plug: disk a (/proc/self/exe): blockdev-add: "
						  "QMP: the connection is closed;unplug: "));
	assert_non_null(strstr(str_text(&f->got), "1, 256 MiB: the machine does not run;"));
	/* And what comes later. */
	plug(f, "b", false);
	for (int i = 0; i < 5; i++)
		loop_step(f->loop, 10);
	assert_non_null(strstr(str_text(&f->got), ";plug: the machine does not run;"));
	assert_int_equal(f->ends, 4);
	drop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_come_and_go_behind_a_bridge),
		cmocka_unit_test(every_key_of_disks_is_told),
		cmocka_unit_test(cache_keys_count_when_set),
		cmocka_unit_test(places),
		cmocka_unit_test(a_device_that_is_refused_leaves_no_node),
		cmocka_unit_test(without_io_uring_threads_will_do),
		cmocka_unit_test(what_cannot_be_plugged_is_named),
		cmocka_unit_test(thirty_disks_fill_a_bridge),
		cmocka_unit_test(the_event_may_come_first),
		cmocka_unit_test(a_guest_that_does_not_let_go_keeps_it),
		cmocka_unit_test(what_went_late_is_not_asked_for_again),
		cmocka_unit_test(what_cannot_be_undone_keeps_its_place),
		cmocka_unit_test(events_of_no_sense_are_passed_over),
		cmocka_unit_test(the_machines_end_ends_all),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu plug", tests, NULL, NULL);
}
