/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const names[FAKE_OPS] = { "boot",	  "create", "start",  "exec",	"signal",
					     "resize",	  "write",  "close",  "remove", "stop",
					     "pause",	  "resume", "update", "stats",	"list",
					     "poststart", "ask" };

struct fake fake;

/* A request that is not answered yet. */
struct request {
	struct list link;
	enum { DONE, READ, WAIT } kind;
	enum fake_op op; /* DONE, with one of done, stats, list, reply */
	bool is_err;	 /* READ */
	size_t max;
	char *exec_id; /* READ, WAIT */
	sandbox_done done;
	sandbox_read_cb read;
	sandbox_exit_cb exit;
	sandbox_stats_cb stats;
	sandbox_list_cb list;
	sandbox_reply_cb reply;
	void *arg;
};

static struct {
	struct loop *loop;
	sandbox_died_cb died;
	void *died_arg;
	struct err why; /* after the end of the machine */
	struct list requests, processes;
	struct loop_source *turn;
	sandbox_oom_cb oom;
	void *oom_arg;
} box;

static void on_turn(void *arg);

static void wake(void)
{
	if (!box.turn)
		box.turn = loop_defer(box.loop, on_turn, NULL);
}

void fake_reset(struct loop *loop)
{
	memset(&fake, 0, sizeof(fake));
	memset(&box, 0, sizeof(box));
	box.loop = loop;
	fake.answer = &fake_metrics.base;
	list_init(&box.requests);
	list_init(&box.processes);
}

void fake_check_empty(void)
{
	assert_false(fake.exists);
	assert_true(list_empty(&box.requests));
	while (!list_empty(&box.processes)) {
		struct fake_process *p =
			container_of(box.processes.next, struct fake_process, link);

		list_del(&p->link);
		str_free(&p->in);
		str_free(&p->out);
		str_free(&p->err);
		free(p->exec_id);
		free(p);
	}
	loop_remove(&box.turn);
	str_free(&fake.log);
	str_free(&fake.status);
	str_free(&fake.journal);
	free(fake.config_path);
	free(fake.rootfs);
}

struct fake_process *fake_process(const char *exec_id)
{
	struct fake_process *p;
	struct list *it;

	list_for_each(it, &box.processes) {
		p = container_of(it, struct fake_process, link);
		if (!strcmp(p->exec_id, exec_id ? exec_id : ""))
			return p;
	}
	p = xcalloc(1, sizeof(*p));
	p->exec_id = xstrdup(exec_id ? exec_id : "");
	list_add_tail(&box.processes, &p->link);
	return p;
}

static struct request *ask(int kind, const char *exec_id, void *arg)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->kind = kind;
	r->exec_id = xstrdup(exec_id ? exec_id : "");
	r->arg = arg;
	list_add_tail(&box.requests, &r->link);
	wake();
	return r;
}

static struct request *ask_done(enum fake_op op, sandbox_done done, void *arg)
{
	struct request *r = ask(DONE, NULL, arg);

	r->op = op;
	r->done = done;
	return r;
}

/* ---- answers -------------------------------------------------------------------- */

static bool answer_done(struct request *r)
{
	struct err err = ERR_INIT;

	/* Stopping is what works without a machine, and so is removing. */
	if (box.why.code && r->op != FAKE_STOP && r->op != FAKE_REMOVE)
		err = box.why;
	else if (fake.hold[r->op])
		return false;
	else if (fake.fail[r->op])
		err_set(&err, fake.fail[r->op], "fake %s fails", names[r->op]);
	list_del(&r->link);
	if (r->stats)
		r->stats(err.code ? &err : NULL, err.code ? NULL : fake.stats, r->arg);
	else if (r->list)
		r->list(err.code ? &err : NULL, "[1,2]", err.code ? 0 : 5, r->arg);
	else if (r->reply)
		r->reply(err.code ? NULL : fake.answer, err.code ? &err : NULL, r->arg);
	else
		r->done(err.code ? &err : NULL, r->arg);
	return true;
}

static bool answer_read(struct request *r)
{
	struct fake_process *p = fake_process(r->exec_id);
	struct str *s = r->is_err ? &p->err : &p->out;
	size_t n = s->len < r->max ? s->len : r->max;
	auto_free char *data = NULL;

	if (r->max == 0)
		*(r->is_err ? &p->err_broken : &p->out_broken) = true;
	if (r->max > 0 && n == 0 && !p->ended && !box.why.code)
		return false;
	list_del(&r->link);
	if (n == 0) {
		r->read(box.why.code ? &box.why : NULL, NULL, 0, r->arg);
		return true;
	}
	data = xmalloc(n);
	memcpy(data, s->data, n);
	str_drop(s, n);
	r->read(NULL, data, n, r->arg);
	return true;
}

static bool reads_wait(const char *exec_id)
{
	struct list *it;

	list_for_each(it, &box.requests) {
		struct request *r = container_of(it, struct request, link);

		if (r->kind == READ && !strcmp(r->exec_id, exec_id))
			return true;
	}
	return false;
}

static bool answer_wait(struct request *r)
{
	struct fake_process *p = fake_process(r->exec_id);

	if (!box.why.code && (!p->ended || p->out.len || p->err.len || reads_wait(r->exec_id)))
		return false;
	list_del(&r->link);
	r->exit(NULL, p->ended ? p->status : 137, r->arg);
	return true;
}

static bool answer(struct request *r)
{
	bool answered = r->kind == DONE ? answer_done(r) :
			r->kind == READ ? answer_read(r) :
					  answer_wait(r);

	if (answered) {
		free(r->exec_id);
		free(r);
	}
	return answered;
}

/* What an answer's callback asks for waits for the next round. */
static void on_turn(void *arg)
{
	struct list now = LIST_INIT(now);

	(void)arg;
	box.turn = NULL;
	while (!list_empty(&box.requests)) {
		struct list *e = box.requests.next;

		list_del(e);
		list_add_tail(&now, e);
	}
	while (!list_empty(&now)) {
		struct list *e = now.next;

		list_del(e);
		list_add_tail(&box.requests, e);
		answer(container_of(e, struct request, link));
	}
}

/* ---- the test's side ---------------------------------------------------------------- */

void fake_writes(const char *exec_id, bool is_err, const void *data, size_t len)
{
	struct fake_process *p = fake_process(exec_id);

	str_add(is_err ? &p->err : &p->out, data, len);
	wake();
}

void fake_exits(const char *exec_id, uint32_t status)
{
	struct fake_process *p = fake_process(exec_id);

	p->ended = true;
	p->status = status;
	wake();
}

void fake_dies(const char *why)
{
	err_set(&box.why, ECONNRESET, "%s", why);
	box.died(&box.why, box.died_arg);
	wake();
}

void fake_ooms(const char *id)
{
	assert_non_null(box.oom);
	box.oom(id, box.oom_arg);
}

void fake_release(enum fake_op op)
{
	fake.hold[op] = false;
	wake();
}

/* ---- sandbox.h ------------------------------------------------------------------------ */

int sandbox_new(struct loop *loop, const struct sandbox_options *opt, sandbox_died_cb died,
		void *arg, struct sandbox **sb, struct err *err)
{
	assert_ptr_equal(loop, box.loop);
	assert_false(fake.exists);
	if (fake.new_fails)
		return err_set(err, fake.new_fails, "container %s already exists", opt->id);
	fake.exists = true;
	box.died = died;
	box.died_arg = arg;
	err_clear(&box.why);
	*sb = (struct sandbox *)&fake;
	return 0;
}

void sandbox_boot(struct sandbox *sb, struct config *config, const Grpc__Spec *spec,
		  sandbox_done done, void *arg)
{
	(void)sb;
	assert_non_null(spec);
	str_puts(&fake.log, "boot ");
	free(fake.config_path);
	fake.config_path = xstrdup(config->path);
	config_free(config);
	ask_done(FAKE_BOOT, done, arg);
}

bool sandbox_takes_disks(const struct config *config, bool first)
{
	(void)config;
	(void)first;
	return false;
}

const struct config *sandbox_config(const struct sandbox *sb)
{
	(void)sb;
	return NULL;
}

void sandbox_create_container(struct sandbox *sb, const struct sandbox_container *c,
			      Grpc__Spec *spec, sandbox_done done, void *arg)
{
	(void)sb;
	assert_int_equal(c->bundle[0], '/');
	str_printf(&fake.log, "create:%s ", c->id);
	free(fake.rootfs);
	fake.rootfs = xstrdup(c->rootfs);
	fake.terminal = spec->process->terminal;
	grpc__spec__free_unpacked(spec, NULL);
	ask_done(FAKE_CREATE, done, arg);
}

void sandbox_start_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "start:%s ", id);
	ask_done(FAKE_START, done, arg);
}

void sandbox_cancel_container(struct sandbox *sb, const char *id, const struct err *why)
{
	(void)sb;
	(void)why;
	str_printf(&fake.log, "cancel:%s ", id);
}

void sandbox_poststart(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	(void)sb;
	(void)id;
	ask_done(FAKE_POSTSTART, done, arg);
}

void sandbox_exec(struct sandbox *sb, const char *id, const char *exec_id, Grpc__Process *process,
		  sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "exec:%s/%s ", id, exec_id);
	fake.terminal = process->terminal;
	grpc__process__free_unpacked(process, NULL);
	ask_done(FAKE_EXEC, done, arg);
}

void sandbox_signal(struct sandbox *sb, const char *id, const char *exec_id, uint32_t signo,
		    bool all, sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "signal:%s%s%s/%u%s ", id, exec_id && *exec_id ? "/" : "",
		   exec_id ? exec_id : "", signo, all ? "/all" : "");
	ask_done(FAKE_SIGNAL, done, arg);
}

void sandbox_wait(struct sandbox *sb, const char *id, const char *exec_id, sandbox_exit_cb cb,
		  void *arg)
{
	(void)sb;
	(void)id;
	ask(WAIT, exec_id, arg)->exit = cb;
}

void sandbox_resize_tty(struct sandbox *sb, const char *id, const char *exec_id, uint32_t width,
			uint32_t height, sandbox_done done, void *arg)
{
	(void)sb;
	(void)exec_id;
	str_printf(&fake.log, "resize:%s/%ux%u ", id, width, height);
	ask_done(FAKE_RESIZE, done, arg);
}

void sandbox_write_stdin(struct sandbox *sb, const char *id, const char *exec_id, const void *data,
			 size_t len, sandbox_done done, void *arg)
{
	(void)sb;
	(void)id;
	if (!fake.fail[FAKE_WRITE])
		str_add(&fake_process(exec_id)->in, data, len);
	ask_done(FAKE_WRITE, done, arg);
}

void sandbox_close_stdin(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done done,
			 void *arg)
{
	(void)sb;
	(void)id;
	assert_false(fake_process(exec_id)->in_closed);
	fake_process(exec_id)->in_closed = true;
	ask_done(FAKE_CLOSE, done, arg);
}

static void ask_read(const char *exec_id, bool is_err, size_t max, sandbox_read_cb cb, void *arg)
{
	struct request *r = ask(READ, exec_id, arg);

	r->is_err = is_err;
	r->max = max;
	r->read = cb;
}

void sandbox_read_stdout(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg)
{
	(void)sb;
	(void)id;
	ask_read(exec_id, false, max, cb, arg);
}

void sandbox_read_stderr(struct sandbox *sb, const char *id, const char *exec_id, size_t max,
			 sandbox_read_cb cb, void *arg)
{
	(void)sb;
	(void)id;
	ask_read(exec_id, true, max, cb, arg);
}

/* Removing kills what runs: its waits end. */
void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	struct list *it;

	(void)sb;
	str_printf(&fake.log, "remove:%s ", id);
	list_for_each(it, &box.processes) {
		struct fake_process *p = container_of(it, struct fake_process, link);

		if (!p->ended)
			fake_exits(p->exec_id, 137);
	}
	ask_done(FAKE_REMOVE, done, arg);
}

int sandbox_set_status(struct sandbox *sb, const char *id, const char *status, struct err *err)
{
	(void)sb;
	(void)id;
	(void)err;
	str_printf(&fake.status, "%s ", status);
	return 0;
}

int sandbox_note_process(struct sandbox *sb, const char *name, pid_t pid, struct err *err)
{
	(void)sb;
	(void)pid;
	(void)err;
	str_printf(&fake.journal, "+%s ", name);
	return 0;
}

int sandbox_forget_process(struct sandbox *sb, pid_t pid, struct err *err)
{
	(void)sb;
	(void)pid;
	(void)err;
	str_puts(&fake.journal, "- ");
	return 0;
}

pid_t sandbox_pid(const struct sandbox *sb)
{
	assert_non_null(sb);
	return 4711;
}

void sandbox_rest(struct sandbox *sb)
{
	assert_ptr_equal(sb, &fake);
	str_puts(&fake.log, "rest ");
}

/* A boot that is under way fails before the stop is done. */
void sandbox_stop(struct sandbox *sb, sandbox_done done, void *arg)
{
	(void)sb;
	fake.stops++;
	str_puts(&fake.log, "stop ");
	if (!box.why.code)
		err_set(&box.why, ECANCELED, "the sandbox was stopped");
	ask_done(FAKE_STOP, done, arg);
}

void sandbox_destroy(struct sandbox *sb)
{
	assert_ptr_equal(sb, &fake);
	assert_true(fake.exists);
	fake.exists = false;
	str_puts(&fake.log, "destroy ");
}

/* ---- control.h ------------------------------------------------------------------------ */

void sandbox_pause(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "pause:%s ", id);
	ask_done(FAKE_PAUSE, done, arg);
}

void sandbox_resume(struct sandbox *sb, const char *id, sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "resume:%s ", id);
	ask_done(FAKE_RESUME, done, arg);
}

void sandbox_update(struct sandbox *sb, const char *id, Grpc__LinuxResources *res,
		    sandbox_done done, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "update:%s/%lld/%llu ", id,
		   res->memory ? (long long)res->memory->limit : 0,
		   res->cpu ? (unsigned long long)res->cpu->shares : 0);
	ask_done(FAKE_UPDATE, done, arg);
}

void sandbox_stats(struct sandbox *sb, const char *id, sandbox_stats_cb cb, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "stats:%s ", id);
	ask_done(FAKE_STATS, NULL, arg)->stats = cb;
}

void sandbox_list_processes(struct sandbox *sb, const char *id, const char *format,
			    char *const *args, size_t n_args, sandbox_list_cb cb, void *arg)
{
	(void)sb;
	str_printf(&fake.log, "list:%s/%s", id, format);
	for (size_t i = 0; i < n_args; i++)
		str_printf(&fake.log, "/%s", args[i]);
	str_puts(&fake.log, " ");
	ask_done(FAKE_LIST, NULL, arg)->list = cb;
}

void sandbox_watch_oom(struct sandbox *sb, sandbox_oom_cb cb, void *arg)
{
	(void)sb;
	box.oom = cb;
	box.oom_arg = arg;
}

void sandbox_drop_exec(struct sandbox *sb, const char *id, const char *exec_id)
{
	(void)sb;
	(void)id;
	(void)exec_id;
}

void fake_ask(sandbox_reply_cb cb, void *arg)
{
	ask_done(FAKE_ASK, NULL, arg)->reply = cb;
}
