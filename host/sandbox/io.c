/* SPDX-License-Identifier: Apache-2.0 */
/* A process's standard streams and its terminal. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/sandbox/core.h"

/* More does not fit into a message of the agent together with its frame. */
#define READ_MAX (1u << 20)

struct reading {
	struct process *p; /* a reference; NULL: there is no such process */
	bool is_err;
	bool hang_up; /* to be asked first */
	size_t max;
	sandbox_read_cb cb;
	void *arg;
};

static void begin_read(struct reading *r);

static void end_read(struct reading *r, const struct err *err, const void *data, size_t len)
{
	struct reading copy = *r;

	free(r);
	if (copy.p && len == 0) {
		*(copy.is_err ? &copy.p->err : &copy.p->out) = STREAM_ENDED;
		process_look(copy.p);
	}
	copy.cb(err, data, len, copy.arg);
	if (copy.p)
		process_unref(copy.p);
}

/*
 * An empty answer is the end of the output, and so is the error of an agent
 * that has forgotten the process: the original does when its status is known.
 */
static void on_read(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__ReadStreamResponse *answer = (const Grpc__ReadStreamResponse *)rsp;
	struct reading *r = arg;

	if (err && err->code == -ECONNRESET) {
		begin_read(r);
	} else if (r->hang_up) {
		/* An agent that does not know this, or does not do it, goes on with the output. */
		r->hang_up = false;
		begin_read(r);
	} else if (answer) {
		end_read(r, NULL, answer->data.data, answer->data.len);
	} else if (err->code == -ENOENT || (r->p->exited && r->p->sb->phase == PHASE_RUNNING)) {
		end_read(r, NULL, NULL, 0);
	} else {
		end_read(r, err, NULL, 0);
	}
}

static void begin_read(struct reading *r)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;

	req.container_id = r->p->container_id;
	req.exec_id = r->p->exec_id;
	req.hang_up = r->hang_up;
	if (!r->hang_up)
		req.len = (uint32_t)r->max;
	call_agent(r->p->sb, r->is_err ? "ReadStderr" : "ReadStdout", &req.base, 0, on_read, r);
}

static void on_no_process(const struct err *err, void *arg)
{
	end_read(arg, err, NULL, 0);
}

static void read_stream(struct sandbox *sb, const char *id, const char *exec_id, bool is_err,
			size_t max, sandbox_read_cb cb, void *arg)
{
	struct reading *r = xcalloc(1, sizeof(*r));
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);

	r->is_err = is_err;
	r->hang_up = max == 0;
	r->max = max > 0 && max < READ_MAX ? max : READ_MAX;
	r->cb = cb;
	r->arg = arg;
	if (!p) {
		call_done(sb, &err, on_no_process, r);
		return;
	}
	r->p = process_ref(p);
	if (is_err && p->err == STREAM_UNUSED)
		p->err = STREAM_OPEN;
	if (!is_err && p->out == STREAM_UNUSED)
		p->out = STREAM_OPEN;
	begin_read(r);
}

void sandbox_read_stdout(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg)
{
	read_stream(sb, id, exec_id, false, max, cb, arg);
}

void sandbox_read_stderr(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg)
{
	read_stream(sb, id, exec_id, true, max, cb, arg);
}

struct writing {
	size_t len;
	sandbox_done done;
	void *arg;
};

static void on_written(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__WriteStreamResponse *answer = (const Grpc__WriteStreamResponse *)rsp;
	struct writing w = *(struct writing *)arg;
	struct err why = ERR_INIT;

	free(arg);
	if (answer && answer->len != w.len) {
		err_set(&why, EIO, "agent: WriteStdin: %u of %zu bytes were written", answer->len,
			w.len);
		err = &why;
	}
	w.done(err, w.arg);
}

void sandbox_write_stdin(struct sandbox *sb, const char *id, const char *exec_id, const void *data,
			 size_t len, sandbox_done done, void *arg)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);
	struct writing *w;

	/* To the agent, nothing would mean the end. */
	if (!p || len == 0) {
		call_done(sb, p ? NULL : &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	req.exec_id = p->exec_id;
	req.data.data = (uint8_t *)(uintptr_t)data;
	req.data.len = len;
	w = xmalloc(sizeof(*w));
	*w = (struct writing){ len, done, arg };
	call_agent(sb, "WriteStdin", &req.base, 0, on_written, w);
}

void sandbox_close_stdin(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done done,
			 void *arg)
{
	Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	req.exec_id = p->exec_id;
	call_simple(sb, "CloseStdin", &req.base, AGENT_CALL_MS, done, arg);
}

void sandbox_resize_tty(struct sandbox *sb, const char *id, const char *exec_id, uint32_t width,
			uint32_t height, sandbox_done done, void *arg)
{
	Grpc__TtyWinResizeRequest req = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct err err = ERR_INIT;
	struct process *p = container_process(sb, id, exec_id, &err);

	if (!p) {
		call_done(sb, &err, done, arg);
		return;
	}
	req.container_id = p->container_id;
	req.exec_id = p->exec_id;
	req.row = height;
	req.column = width;
	call_simple(sb, "TtyWinResize", &req.base, AGENT_CALL_MS, done, arg);
}
