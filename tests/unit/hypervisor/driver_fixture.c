/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

void put_file(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	auto_free char *path = path_join(f->dir, name);

	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
}

void set_key(char **key, char *value)
{
	free(*key);
	*key = value;
}

struct fixture *fixture_new(const char *where)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "%s/hypervisor-test-XXXXXX", where);
	assert_non_null(mkdtemp(f->dir));
	f->run = path_join(f->dir, "run");
	f->share = path_join(f->dir, "share");
	assert_int_equal(mkdir(f->run, 0700) | mkdir(f->share, 0755), 0);
	put_file(f, "initrd", "x", 0644);
	put_file(f, "virtiofsd", VIRTIOFSD_SCRIPT "sleep 100\n", 0755);
	f->loop = loop_new();
	return f;
}

void fixture_configure(struct fixture *f, char *text)
{
	auto_free char *path = path_join(f->dir, "c.toml");
	struct err err = ERR_INIT;

	put_file(f, "c.toml", text, 0644);
	free(text);
	f->config = config_load(path, &err);
	if (!f->config)
		fail_msg("%s", err_msg(&err));
	f->spec = (struct vm_spec){ .id = "x",
				    .netns = -1,
				    .run_dir = f->run,
				    .config = f->config,
				    .size = { 1, 1, 64, 64 },
				    .share_tag = "tag" };
}

void fixture_free(struct fixture *f)
{
	int r;

	vm_free(f->vm);
	loop_free(f->loop);
	config_free(f->config);
	r = waitpid(-1, NULL, WNOHANG);
	assert_true(r == -1 && errno == ECHILD);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->run);
	free(f->share);
	free(f);
}

void on_paused(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	/* What is known at once comes from the loop all the same, and all before the end. */
	assert_int_equal(f->exited, 0);
	f->paused++;
	if (err)
		f->refusal = *err;
	else if (f->go_on && f->paused == 1)
		vm_resume(f->vm, on_paused, f);
	else if (f->go_on)
		vm_stop(f->vm);
}

static void on_event(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct fixture *f = arg;

	switch (event) {
	case VM_STARTED:
		f->started++;
		if (f->pause)
			vm_pause(vm, on_paused, f);
		if (f->connect)
			assert_int_equal(vm_connect(vm, NULL), 0);
		if (f->stop_when_started)
			vm_stop(vm);
		break;
	case VM_AGENT:
		f->agent++;
		if (f->stop_at_agent)
			vm_stop(vm);
		break;
	case VM_EXITED:
		f->exited++;
		f->end = *err;
		loop_stop(f->loop, 0);
		break;
	}
}

static int on_process(struct vm *vm, const char *name, pid_t pid, void *arg)
{
	struct fixture *f = arg;

	(void)vm;
	assert_true(pid > 0);
	f->processes++;
	snprintf(f->roles + strlen(f->roles), sizeof(f->roles) - strlen(f->roles), "%s ", name);
	f->last = pid;
	return f->refuse;
}

static void on_limit(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	loop_stop(f->loop, 0);
}

int start(struct fixture *f, struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor_for(f->config, err);

	if (!ops)
		return err->code;
	f->vm = vm_new(ops, &f->spec, f->loop, on_event, on_process, f, err);
	return vm_start(f->vm, err);
}

void starts(struct fixture *f)
{
	struct err err = ERR_INIT;

	if (start(f, &err) < 0)
		fail_msg("%s", err_msg(&err));
}

void run(struct fixture *f)
{
	struct loop_source *limit = loop_add_timer(f->loop, FIXTURE_LIMIT_MS, on_limit, f);

	loop_run(f->loop);
	assert_false(f->timed_out);
	loop_remove(&limit);
	assert_int_equal(f->exited, 1);
}
