/* SPDX-License-Identifier: Apache-2.0 */
/* A shim with a fake sandbox, a bundle, and a client of its Task service. */
#ifndef TEST_SHIM_FIXTURE_H
#define TEST_SHIM_FIXTURE_H

#include "fake.h"
#include "host/shim/shim.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

/* An answer that came, or will. */
struct result {
	bool done;
	int code; /* errno of the error */
	char text[256];
	uint32_t pid, status;
	Containerd__V1__Types__Status state;
	bool exited_at; /* a time came along */
	size_t n;	/* of processes */
};

struct fixture {
	char dir[32];
	char *root, *bundle, *config;
	struct loop *loop;
	struct shim *shim;
	struct ttrpc_client *client;
	int owner; /* the owner's end of the pipe, -1: none */
};

int setup(void **state);
int setup_owned(void **state);
/* They wait for a client for IMPATIENT_MS. */
#define IMPATIENT_MS 50
int setup_impatient(void **state);
int setup_owned_impatient(void **state);
/* Ends the shim when the test did not, and checks that nothing is left. */
int teardown(void **state);

/* Run the loop until *@flag. Fails past 5 s. */
void run_until(struct fixture *f, const bool *flag);
/* Run it until nothing happens any more. */
void settle(struct fixture *f);

/* Call a method that needs but an ID, and for most an exec ID, without waiting. */
void ask(struct fixture *f, const char *method, const char *exec_id, struct result *r);
/* As ask(), and wait for the answer. */
struct result get(struct fixture *f, const char *method, const char *exec_id);
/* Any other. */
void ask_msg(struct fixture *f, const char *method, const ProtobufCMessage *req, const int *fds,
	     size_t n, struct result *r);

/* Create task "c" without streams. */
void ask_create(struct fixture *f, struct result *r);
struct result create(struct fixture *f);
struct result kill_it(struct fixture *f, const char *exec_id, uint32_t signo);
/* Add a process. */
struct result exec(struct fixture *f, const char *exec_id);

/* Expect success, or the error with @code and @text. */
#define assert_ok(r)                              \
	do {                                      \
		struct result r_ = (r);           \
		assert_string_equal(r_.text, ""); \
		assert_int_equal(r_.code, 0);     \
	} while (0)
#define assert_fails(r, code_, text_)                                  \
	do {                                                           \
		struct result r_ = (r);                                \
		assert_string_equal(r_.text, text_);                   \
		assert_int_equal(r_.code, ttrpc_errno_of_code(code_)); \
	} while (0)

#endif
