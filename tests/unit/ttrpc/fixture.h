/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop, a server with the agent's and the health service, and a way to speak
 * to it in raw frames. Version answers at once with the service's name as the
 * version; WriteStdin is kept for the test to answer; ReadStdout answers with
 * `len` bytes.
 */
#ifndef TEST_TTRPC_FIXTURE_H
#define TEST_TTRPC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/str.h"
#include "proto/agent.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/ttrpc.pb-c.h"
#include "ttrpc/frame.h"
#include "ttrpc/ttrpc.h"

#define LIMIT_MS 10000 /* a test that waits longer failed */
#define KEPT_MAX (2 * TTRPC_CALLS_MAX)

struct fixture {
	struct loop *loop;
	struct ttrpc_server *srv;
	struct ttrpc_client *client; /* of the test, or NULL */
	int raw;		     /* of the test, or -1 */
	struct ttrpc_call *kept[KEPT_MAX];
	size_t n_kept;
	unsigned int versions; /* calls of Version */
	unsigned int cancelled;
	bool free_server;		 /* Version frees the server before it answers */
	struct ttrpc_call *cancel_fails; /* answered by the first cancel callback */
};

int setup(void **state);
int teardown(void **state);

/* One end of a pair whose other end the server serves. */
int serve_pair(struct fixture *f);

/* Run the loop until *@flag, at most LIMIT_MS. */
void run_until(struct fixture *f, const bool *flag);
void run_until_count(struct fixture *f, const unsigned int *count, unsigned int n);
void run_until_kept(struct fixture *f, size_t n);

/* What a call of the client came to. */
struct result {
	bool done;
	unsigned int calls; /* of the callback */
	int code;
	char text[ERR_MSG_MAX]; /* the error, or the version, or the data's first bytes */
	size_t len;
};

void on_result(const ProtobufCMessage *rsp, const struct err *err, void *arg);
struct ttrpc_pending *call_version(struct fixture *f, const char *name, int64_t timeout_ms,
				   struct result *r);
struct ttrpc_pending *call_write(struct fixture *f, const char *id, int64_t timeout_ms,
				 struct result *r);

/* Answer kept call @i with @len. */
void answer_kept(struct fixture *f, size_t i, uint32_t len);

/* ---- raw frames, by the fixture's raw descriptor ---- */

/* Append the frame of a request to @s. */
void put_frame(struct str *s, uint32_t stream, uint8_t type, uint8_t flags, const void *data,
	       size_t len);
void put_request(struct str *s, uint32_t stream, uint8_t flags, const char *service,
		 const char *method, const ProtobufCMessage *req, int64_t timeout_nano,
		 const char *fds);
void put_version(struct str *s, uint32_t stream, const char *name);

void raw_send(struct fixture *f, const struct str *s);

/* Read the next response; *@rsp must be freed. Fails the test past LIMIT_MS. */
uint32_t raw_response(struct fixture *f, Ttrpc__Response **rsp);

/* The next response must be of @stream and have @code and @message (NULL: any). */
void expect_status(struct fixture *f, uint32_t stream, int code, const char *message);

/* The next response must be of @stream and hold the version @name. */
void expect_version(struct fixture *f, uint32_t stream, const char *name);

/* Run until the server closed the raw descriptor; what came before is thrown away. */
void expect_closed(struct fixture *f);

/* The number of this process's open descriptors. */
unsigned int open_fds(void);

#endif
