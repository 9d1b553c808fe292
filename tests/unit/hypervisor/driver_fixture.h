/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver with programs that misbehave: what the tests of drivers share. A directory with a
 * shared directory, an initrd, a virtiofsd that only sleeps and the run directory of the
 * machine; what came of it is counted.
 */
#ifndef TESTS_HYPERVISOR_DRIVER_FIXTURE_H
#define TESTS_HYPERVISOR_DRIVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/hypervisor.h"

#define FIXTURE_LIMIT_MS 10000

/* The start of a script in virtiofsd's place: it says what it is when it is asked. */
#define VIRTIOFSD_SCRIPT "#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\n"

struct fixture {
	char dir[64];
	char *run, *share; /* DIR/run, DIR/share */
	struct loop *loop;
	struct config *config;
	struct vm_spec spec; /* of a small machine that shares nothing */
	struct vm *vm;
	/* What is done in which event. */
	bool pause, connect, stop_when_started, stop_at_agent;
	bool go_on; /* resume when it is paused, and stop when it goes on */
	int refuse; /* what vm_process_cb returns */
	/* What happened. */
	int started, agent, exited, processes;
	int paused;	    /* answers to pause and resume */
	struct err refusal; /* the last of them that was an error */
	char roles[64];	    /* of the processes that were told, "kata-vmm virtiofsd " */
	pid_t last;	    /* of them */
	struct err end;
	bool timed_out;
};

/* Below the directory @where. */
struct fixture *fixture_new(const char *where);

/* Load the configuration @text, which is taken over. */
void fixture_configure(struct fixture *f, char *text);

/* Asserts that no process is left, whatever went wrong. */
void fixture_free(struct fixture *f);

void put_file(struct fixture *f, const char *name, const char *text, mode_t mode);

/* Replace the configuration's string *@key by @value, which is taken over. */
void set_key(char **key, char *value);

/* The driver's check, then a machine that is about to start. 0 or -errno and @err. */
int start(struct fixture *f, struct err *err);

/* It must not fail. */
void starts(struct fixture *f);

/* For vm_pause() and vm_resume(); @arg is the fixture. */
void on_paused(const struct err *err, void *arg);

/* Run until VM_EXITED, which must come within FIXTURE_LIMIT_MS and once. */
void run(struct fixture *f);

#endif
