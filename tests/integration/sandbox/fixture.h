/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox on the fake driver with the real agent: the calls of sandbox.h,
 * waited for. All directories are in a mount namespace of the test's own.
 */
#ifndef TESTS_SANDBOX_FIXTURE_H
#define TESTS_SANDBOX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "host/sandbox/sandbox.h"
#include "host/sandbox/state.h"

extern struct loop *loop;
extern char fixture_base[]; /* for files of the test */
extern char *fixture_root;  /* of states */
extern char *fixture_rootfs;

/* How often, and why at last, the sandbox died. */
extern unsigned fixture_deaths;
extern struct err fixture_death;

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Run the loop until *@flag; fails the test after 10 s. */
void run_until(const bool *flag);

/* The outcome of one call. */
struct outcome {
	bool done;
	struct err err;
	uint32_t status;
	struct str data;
};
void on_done(const struct err *err, void *outcome);
void on_exit_status(const struct err *err, uint32_t status, void *outcome);

/* Wait for a call that is under way; 0 or -errno of @o. */
int finish(struct outcome *o);

/* A configuration of the fake driver; @path NULL: the real agent. @more: lines of [agent.kata]. */
struct config *make_config(const char *path, const char *more);

/* config.json with the process `sh -c SCRIPT`; @mounts: items of JSON, each with a comma behind. */
Grpc__Spec *make_spec(const char *script, const char *mounts);

struct sandbox *new_sandbox(const char *id);
struct sandbox *boot_sandbox(const char *id);
void stop_sandbox(struct sandbox *sb);

/* Create and start container @id that runs @script. */
void run_container(struct sandbox *sb, const char *id, const char *script, const char *mounts);

/* Read a stream to its end, in pieces of at most @max. */
void read_all(struct sandbox *sb, const char *id, const char *exec_id, bool is_err, size_t max,
	      struct str *out);

/* Wait for the end of a process: its status. */
uint32_t wait_exit(struct sandbox *sb, const char *id, const char *exec_id);

/* Nothing of sandbox @id is left but, if @state, its state. */
void assert_nothing_left(const char *id, bool state);

#endif
