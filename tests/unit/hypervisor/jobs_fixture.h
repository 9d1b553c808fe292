/* SPDX-License-Identifier: Apache-2.0 */
/* A QEMU that answers from a script, for the tests of its jobs. */
#ifndef TESTS_HYPERVISOR_JOBS_FIXTURE_H
#define TESTS_HYPERVISOR_JOBS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/hypervisor/qemu/jobs.h"
#include "host/hypervisor/qemu/plug.h"

#define ROUNDS_MAX 500

/* For the n-th command of that name: the answer, and what is said before and after it. */
struct answer {
	const char *command;
	const char *reply; /* NULL: none; else a member: "return" or "error" */
	const char *before, *after;
	bool used;
};

struct fixture {
	struct loop *loop;
	struct config *config;
	struct vm_spec spec;
	struct vm vm;
	struct qmp *qmp;
	struct jobs jobs;
	int peer;
	struct str in, said; /* from us; the commands, without their ids */
	struct answer *script;
	/* What the callbacks got, as text: "plug 02/01;", "unplug: error;". */
	struct str got;
	unsigned ends;
};

/* q35 with these @lines of configuration, and @size. */
struct fixture *make(const char *lines, struct vm_size size);
void drop(struct fixture *f);

/* Until @ends callbacks have come in all. What the script says nothing of succeeds. */
void run(struct fixture *f, struct answer *script, unsigned ends);

/* Callbacks that write into `got`. */
void on_plug(const struct err *err, const struct vm_place *at, void *arg);
void on_unplug(const struct err *err, void *arg);
void on_resize(const struct err *err, unsigned vcpus, uint64_t memory, void *arg);

/* Plug in some file under the name @id. */
void plug(struct fixture *f, const char *id, bool read_only);

#define ERROR(TEXT)   "\"error\": {\"class\": \"GenericError\", \"desc\": \"" TEXT "\"}"
#define DELETED(NAME) "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"" NAME "\"}}"
#define OK	      "\"return\": {}"

#endif
