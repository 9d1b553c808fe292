/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/sandbox/load.h"
#include "oci/spec.h"

#define SPEC(MORE)                                                                       \
	"{\"ociVersion\": \"1.0.2\", \"process\": {\"args\": [\"a\"], \"cwd\": \"/\"}, " \
	"\"root\": {\"path\": \"r\"}" MORE "}"
#define RESOURCES(TEXT) SPEC(", \"linux\": {\"resources\": {" TEXT "}}")
#define POD(TEXT)	SPEC(", \"annotations\": {" TEXT "}, \"linux\": {\"resources\": {" OWN "}}")
#define OWN		"\"memory\": {\"limit\": 4096}, \"cpu\": {\"quota\": 50000, \"period\": 100000}"
#define CRI(KEY, VAL)	"\"io.kubernetes.cri.sandbox-" KEY "\": \"" VAL "\""

static const struct {
	const char *spec;
	double vcpus;
	uint64_t memory;
} cases[] = {
	{ SPEC(""), 0, 0 },
	{ RESOURCES(""), 0, 0 },
	{ RESOURCES(OWN), 0.5, 4096 },
	{ RESOURCES("\"memory\": {\"limit\": -1}"), 0, 0 },
	{ RESOURCES("\"cpu\": {\"quota\": -1, \"period\": 100000}"), 0, 0 },
	{ RESOURCES("\"cpu\": {\"quota\": 250000, \"period\": 100000}"), 2.5, 0 },
	{ RESOURCES(
		  "\"memory\": {\"limit\": 10}, \"hugepageLimits\": "
		  "[{\"pageSize\": \"2MB\", \"limit\": 5}, {\"pageSize\": \"1GB\", \"limit\": 7}]"),
	  0, 22 },
	/* The pod's sum counts, not what its first container has. */
	{ POD(CRI("memory", "1048576")), 0, 1048576 },
	{ POD(CRI("cpu-quota", "150000") ", " CRI("cpu-period", "100000")), 1.5, 0 },
	{ POD(CRI("cpu-quota", "0") ", " CRI("cpu-period", "100000") ", " CRI("memory", "0")), 0,
	  0 },
	/* What is no number is not there. */
	{ POD(CRI("memory", "12k") ", " CRI("cpu-quota", "") ", " CRI("cpu-period", "x")), 0, 0 },
	{ POD(CRI("memory", "99999999999999999999999")), 0, 0 },
	{ POD(CRI("memory", "-5")), 0, 0 },
	/* Others' annotations are none. */
	{ POD("\"io.kubernetes.cri.sandbox-id\": \"x\""), 0.5, 4096 },
};

static void loads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		Grpc__Spec *spec = NULL;
		struct size_load load;

		if (oci_spec_parse(cases[i].spec, strlen(cases[i].spec), "spec", &spec, &err) < 0)
			fail_msg("%s: %s", cases[i].spec, err_msg(&err));
		load = load_of_sandbox(spec);
		if (load.memory != cases[i].memory || load.vcpus > cases[i].vcpus ||
		    load.vcpus < cases[i].vcpus)
			fail_msg("%s: %g, %llu", cases[i].spec, load.vcpus,
				 (unsigned long long)load.memory);
		grpc__spec__free_unpacked(spec, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(loads) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
