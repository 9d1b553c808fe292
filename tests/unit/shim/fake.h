/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox without a machine, in the place of host/sandbox's: it answers each
 * request in the next round of the loop, unless it is told to hold it or to
 * fail it, and writes down what it was asked.
 */
#ifndef TEST_SHIM_FAKE_H
#define TEST_SHIM_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/sandbox/control.h"

enum fake_op {
	FAKE_BOOT,
	FAKE_CREATE,
	FAKE_START,
	FAKE_EXEC,
	FAKE_SIGNAL,
	FAKE_RESIZE,
	FAKE_WRITE,
	FAKE_CLOSE,
	FAKE_REMOVE,
	FAKE_STOP,
	FAKE_PAUSE,
	FAKE_RESUME,
	FAKE_UPDATE,
	FAKE_STATS,
	FAKE_LIST,
	FAKE_POSTSTART,
	FAKE_ASK,
	FAKE_OPS,
};

/* A process: its input, and the output that is still to be read. */
struct fake_process {
	struct list link;
	char *exec_id;
	struct str in, out, err;
	bool in_closed, ended;
	bool out_broken, err_broken; /* 0 bytes were asked for */
	uint32_t status;
};

extern struct fake {
	bool exists;	     /* between sandbox_new() and sandbox_destroy() */
	bool hold[FAKE_OPS]; /* keep the answer until fake_release() */
	int fail[FAKE_OPS];  /* answer with this errno and the text "fake NAME fails" */
	int new_fails;
	unsigned stops;
	struct str log;	    /* "boot create:c start:c signal:c/9 …" */
	struct str status;  /* what sandbox_set_status() was told: "running stopped " */
	struct str journal; /* what sandbox_note_process() was told, and "-" for the rest */
	char *config_path;
	char *rootfs;
	bool terminal; /* of the last process */
	const Grpc__StatsContainerResponse *stats;
	const ProtobufCMessage *answer; /* of the agent; fake_reset(): its metrics */
	const char *guest;		/* its address; NULL: "vsock://7" */
} fake;

/* Before each test; @loop is what sandbox_new() must be given. */
void fake_reset(struct loop *loop);
/* After it: everything was answered and freed. */
void fake_check_empty(void);

/* Process @exec_id ("": init), made when it is named first. */
struct fake_process *fake_process(const char *exec_id);

/* The process writes. */
void fake_writes(const char *exec_id, bool is_err, const void *data, size_t len);
/* It ends: its output does when it was read, and then its end is told. */
void fake_exits(const char *exec_id, uint32_t status);
/* The machine ends by itself. */
void fake_dies(const char *why);
/* A container runs out of memory. */
void fake_ooms(const char *id);
/* The agent is asked. */
void fake_ask(sandbox_reply_cb cb, void *arg);
/* What fake_reset() lets it answer. */
extern const Grpc__Metrics fake_metrics;

/* Answer what was held. */
void fake_release(enum fake_op op);

#endif
