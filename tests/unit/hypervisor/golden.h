/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what a driver tells its monitor, whole, for a matrix of configurations
 * (golden/<driver>/<name>). GOLDEN_WRITE=1 in the environment writes them anew, to be read before
 * they are committed.
 */
#ifndef TESTS_HYPERVISOR_GOLDEN_H
#define TESTS_HYPERVISOR_GOLDEN_H

#include <json-c/json.h>

#include "base/str.h"

/* @text is what the file @name ("clh/vm-initrd.json") holds, or the test fails. */
void golden_check(const char *name, const char *text);

/* The same for JSON, which is laid out for people and released. */
void golden_json(const char *name, struct json_object *json);

/* The same for words, one a line. */
void golden_words(const char *name, const struct strv *words);

#endif
