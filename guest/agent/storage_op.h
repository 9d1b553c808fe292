/* SPDX-License-Identifier: Apache-2.0 */
/* An operation of storage.c and what of it is done in a job: mounting, unmounting, undoing. */
#ifndef AGENT_STORAGE_OP_H
#define AGENT_STORAGE_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "guest/agent/job.h"
#include "guest/agent/storage_layers.h"
#include "proto/agent.pb-c.h"

struct agent;
struct output;

/* What is to be mounted at one mount point. */
struct unit {
	const Grpc__Storage *s;
	Grpc__Storage *own;   /* one that no request names: the place of watched copies */
	struct layers layers; /* if it has a target, several together */
	bool skip;	      /* it is mounted already */
};

struct storage_op {
	struct list link; /* agent->storage_ops */
	struct agent *agent;
	char *cid;
	Grpc__Storage *const *list; /* hold; NULL: release */
	size_t n;
	struct unit *units;
	size_t n_units;
	struct strv *held;
	struct strv unmount, watched, scratch; /* release: what nobody holds any more */
	struct output *progress;	       /* what a job that was killed had done */
	size_t from;			       /* release: where this job begins */
	job_cb done;
	void *arg;
	struct err err;
};

/* The mount point. */
const char *unit_place(const struct unit *u);

/* Make op->progress, before the first job. */
int storage_op_prepare(struct storage_op *op, struct err *err);

/* A job, @arg is a struct storage_op: mount in order; on failure nothing stays. */
int storage_op_mount(void *arg, struct err *err);

/* Whether a job that failed was killed before it could undo what it did. */
bool storage_op_is_half_done(const struct storage_op *op);

/* A job: undo that. */
int storage_op_undo(void *arg, struct err *err);

/* A job: release from op->from on. */
int storage_op_release(void *arg, struct err *err);

/* Whether a release was killed with more to do: op->from is set behind what it hung at. */
bool storage_op_has_rest(struct storage_op *op);

#endif
