/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config.json, or the process of an exec: what is accepted is printed, and what is
 * printed is accepted and says the same.
 */
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "oci/spec.h"

static void check_spec(const Grpc__Spec *spec)
{
	auto_free char *json = oci_spec_to_json(spec), *again = NULL;
	auto_strv struct strv annotations = { NULL, 0 };
	struct err err = ERR_INIT;
	Grpc__Spec *copy = NULL;

	must(json);
	must(oci_spec_parse(json, strlen(json), "again", &copy, &err) == 0);
	again = oci_spec_to_json(copy);
	must(!strcmp(json, again));
	grpc__spec__free_unpacked(copy, NULL);
	if (oci_spec_check(spec, &err))
		must(err.code < 0 && *err_msg(&err));
	oci_spec_annotations(spec, &annotations);
	must(annotations.n == 2 * spec->n_annotations);
}

static void check_process(const Grpc__Process *process)
{
	auto_free char *json = oci_process_to_json(process), *again = NULL;
	struct err err = ERR_INIT;
	Grpc__Process *copy = NULL;

	must(json);
	must(oci_process_parse(json, strlen(json), "again", &copy, &err) == 0);
	again = oci_process_to_json(copy);
	must(!strcmp(json, again));
	grpc__process__free_unpacked(copy, NULL);
	if (oci_process_check(process, &err))
		must(err.code < 0 && *err_msg(&err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	Grpc__Process *process = NULL;
	Grpc__Spec *spec = NULL;

	if (oci_spec_parse((const char *)data, size, "f", &spec, &err) == 0)
		check_spec(spec);
	else
		must(err.code < 0 && *err_msg(&err) && !spec);
	err_clear(&err);
	if (oci_process_parse((const char *)data, size, "f", &process, &err) == 0)
		check_process(process);
	else
		must(err.code < 0 && *err_msg(&err) && !process);
	if (spec)
		grpc__spec__free_unpacked(spec, NULL);
	if (process)
		grpc__process__free_unpacked(process, NULL);
	return 0;
}
