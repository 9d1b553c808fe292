/* SPDX-License-Identifier: Apache-2.0 */
/* Resizing a QEMU that answers from a script. */
#include "jobs_fixture.h"

static const struct vm_size growing = { 1, 4, 256, 1024 };

#define CPUS                                                                                          \
	"\"return\": [{\"props\": {\"core-id\": 2}, \"type\": \"t\"}, {\"props\": {\"core-id\": 1}, " \
	"\"type\": \"t\"}, {\"props\": {\"core-id\": 0}, \"type\": \"t\", \"qom-path\": \"/m\"}]"

static void processors_and_memory_grow_and_shrink(void **state)
{
	struct fixture *f = make("", growing);
	struct answer script[] = {
		{ "query-hotpluggable-cpus", CPUS, NULL, NULL, false },
		{ "device_del", OK, NULL, DELETED("cpu-1"), false },
		{ 0 },
	};

	(void)state;
	jobs_resize(&f->jobs, 2, 300, on_resize, f);
	jobs_resize(&f->jobs, 2, 320, on_resize, f);
	jobs_resize(&f->jobs, 0, 256, on_resize, f);
	run(f, script, 3);
	assert_string_equal(str_text(&f->got), "2, 384 MiB;2, 384 MiB;1, 384 MiB;");
	assert_string_equal(
		str_text(&f->said),
		"query-hotpluggable-cpus\n"
		"device_add {\"driver\":\"t\",\"id\":\"cpu-1\",\"core-id\":1}\n"
		"object-add {\"qom-type\":\"memory-backend-memfd\",\"id\":\"mem-dimm0\",\"share\":true,"
		"\"size\":134217728}\n"
		"device_add {\"driver\":\"pc-dimm\",\"id\":\"dimm0\",\"memdev\":\"mem-dimm0\"}\n"
		"query-acpi-ospm-status\n"
		"device_del {\"id\":\"cpu-1\"}\n");
	drop(f);
}

static void memory_that_is_plugged_in_is_as_the_rest(void **state)
{
	struct fixture *f = make("enable_hugepages = true\nfile_mem_backend = \"/x\"", growing);
	struct fixture *g = make("enable_mem_prealloc = true\nfile_mem_backend = \"/x\"", growing);

	(void)state;
	f->spec.share_dir = g->spec.share_dir = NULL;
	jobs_resize(&f->jobs, 1, 384, on_resize, f);
	run(f, NULL, 1);
	assert_non_null(strstr(str_text(&f->said),
			       "{\"qom-type\":\"memory-backend-memfd\",\"id\":\"mem-dimm0\","
			       "\"hugetlb\":true,\"prealloc\":true,\"size\":134217728}"));
	jobs_resize(&g->jobs, 1, 384, on_resize, g);
	run(g, NULL, 1);
	assert_non_null(strstr(str_text(&g->said),
			       "{\"qom-type\":\"memory-backend-file\",\"id\":\"mem-dimm0\","
			       "\"mem-path\":\"/x\",\"prealloc\":true,\"size\":134217728}"));
	drop(f);
	drop(g);
}

#define WORD(source, status)                                                                            \
	"\"return\": [null, {\"device\": \"dimm7\", \"source\": 1, \"status\": 0}, {\"slot\": \"1\"}, " \
	"{\"device\": \"dimm0\", \"slot-type\": \"DIMM\", \"source\": " source                          \
	", \"status\": " status "}]"

/* Memory is there when the guest says so, and not before. */
static void memory_is_waited_for(void **state)
{
	struct {
		struct answer script[4];
		const char *got;
		unsigned asked;
	} rows[] = {
		{ { { "query-acpi-ospm-status", WORD("0", "0"), NULL, NULL, false },
		    { "query-acpi-ospm-status", WORD("1", "128"), NULL, NULL, false },
		    { "query-acpi-ospm-status", WORD("1", "0"), NULL, NULL, false } },
		  "1, 384 MiB;",
		  3 },
		{ { { "query-acpi-ospm-status", WORD("1", "1"), NULL, NULL, false } },
		  "1, 384 MiB: the guest does not take dimm0 into use (ACPI status 0x1);",
		  1 },
		/* Only so long; and not for a machine that cannot tell. */
		{ { { "query-acpi-ospm-status", WORD("0", "0"), NULL, NULL, false },
		    { "query-acpi-ospm-status", WORD("0", "0"), NULL, NULL, false },
		    { "query-acpi-ospm-status", WORD("0", "0"), NULL, NULL, false } },
		  "1, 384 MiB;",
		  3 },
		{ { { "query-acpi-ospm-status", ERROR("no ACPI"), NULL, NULL, false } },
		  "1, 384 MiB;",
		  1 },
		{ { { "query-acpi-ospm-status", "\"return\": []", NULL, NULL, false } },
		  "1, 384 MiB;",
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture *f = make("", growing);
		const char *at;
		unsigned asked = 0;

		f->jobs.guest_ms = 80;
		jobs_resize(&f->jobs, 1, 384, on_resize, f);
		run(f, rows[i].script, 1);
		assert_string_equal(str_text(&f->got), rows[i].got);
		for (at = str_text(&f->said); (at = strstr(at, "ospm-status")); at++)
			asked++;
		assert_int_equal(asked, rows[i].asked);
		drop(f);
	}
}

static void what_cannot_grow_says_why(void **state)
{
	struct fixture *f = make("memory_slots = 1", growing);
	struct answer script[] = {
		{ "object-add", ERROR("cannot allocate"), NULL, NULL, false },
		{ "query-hotpluggable-cpus",
		  "\"return\": [null, {\"type\": null, \"props\": {}}, {\"type\": \"t\", \"props\": 1}]",
		  NULL, NULL, false },
		{ 0 },
	};
	struct answer later[] = { { "device_add", ERROR("no slot"), NULL, NULL, false }, { 0 } };

	(void)state;
	jobs_resize(&f->jobs, 1, 2000, on_resize, f);
	jobs_resize(&f->jobs, 1, 300, on_resize, f);
	jobs_resize(&f->jobs, 2, 256, on_resize, f);
	run(f, script, 3);
	jobs_resize(&f->jobs, 1, 300, on_resize, f);
	run(f, later, 4);
	jobs_resize(&f->jobs, 1, 300, on_resize, f);
	jobs_resize(&f->jobs, 1, 600, on_resize, f);
	run(f, NULL, 6);
	assert_string_equal(str_text(&f->got),
			    "1, 256 MiB: 2000 MiB of memory are more than the machine can have, "
			    "1024 (default_maxmemory);"
			    "1, 256 MiB: QMP: object-add: cannot allocate;"
			    "1, 256 MiB: there is no place for one more processor;"
			    "1, 256 MiB: QMP: device_add: no slot;"
			    "1, 384 MiB;"
			    "1, 384 MiB: all 1 slots for memory are taken (memory_slots);");
	assert_non_null(strstr(str_text(&f->said), "object-del {\"id\":\"mem-dimm0\"}"));
	drop(f);
}

static void a_processor_that_stays_is_no_failure(void **state)
{
	struct fixture *f = make("", growing);
	struct answer script[] = { { "query-hotpluggable-cpus", CPUS, NULL, NULL, false }, { 0 } };

	(void)state;
	f->jobs.guest_ms = 20;
	jobs_resize(&f->jobs, 2, 256, on_resize, f);
	jobs_resize(&f->jobs, 1, 256, on_resize, f);
	run(f, script, 2);
	assert_string_equal(str_text(&f->got), "2, 256 MiB;2, 256 MiB;");
	drop(f);
}

static void virtio_mem_is_asked(void **state)
{
	struct fixture *f = make("enable_virtio_mem = true", growing);
	struct answer script[] = {
		{ "qom-get", "\"return\": 0", NULL, NULL, false },
		{ "qom-get", "\"return\": 134217728", NULL, NULL, false },
		{ "qom-get", "\"return\": 0", NULL, NULL, false },
		{ 0 },
	};
	struct answer stuck[] = { { "qom-get", "\"return\": 67108864", NULL, NULL, false },
				  { "qom-get", "\"return\": 67108864", NULL, NULL, false },
				  { "qom-get", "\"return\": 67108864", NULL, NULL, false },
				  { 0 } };

	(void)state;
	jobs_resize(&f->jobs, 1, 300, on_resize, f);
	jobs_resize(&f->jobs, 1, 256, on_resize, f);
	run(f, script, 2);
	f->jobs.guest_ms = 60;
	jobs_resize(&f->jobs, 1, 384, on_resize, f);
	run(f, stuck, 3);
	assert_string_equal(str_text(&f->got), "1, 384 MiB;1, 256 MiB;1, 320 MiB;");
	assert_non_null(strstr(str_text(&f->said),
			       "qom-set {\"path\":\"virtiomem0\",\"property\":\"requested-size\","
			       "\"value\":134217728}\n"
			       "qom-get {\"path\":\"virtiomem0\",\"property\":\"size\"}\n"));
	drop(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_and_memory_grow_and_shrink),
		cmocka_unit_test(memory_that_is_plugged_in_is_as_the_rest),
		cmocka_unit_test(memory_is_waited_for),
		cmocka_unit_test(what_cannot_grow_says_why),
		cmocka_unit_test(a_processor_that_stays_is_no_failure),
		cmocka_unit_test(virtio_mem_is_asked),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu resize", tests, NULL, NULL);
}
