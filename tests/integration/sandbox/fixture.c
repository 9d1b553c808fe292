/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "cgroup/cgroup.h"
#include "host/storage/unmount.h"
#include "oci/spec.h"

#define LIMIT_MS 10000

struct loop *loop;
char fixture_base[] = "/tmp/test-sandbox-XXXXXX";
char *fixture_root, *fixture_rootfs;
unsigned fixture_deaths;
struct err fixture_death;

static int make_rootfs(void)
{
	static const char *const names[] = { "sh", "cat", "echo", "sleep", "head", "kill", "ls" };
	static const char *const dirs[] = { "bin", "proc", "sys", "dev", "tmp", "data", "etc" };
	auto_free char *busybox = path_join(fixture_rootfs, "bin/busybox");
	const char *const copy[] = { "cp", "-L", "/bin/busybox", busybox, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		auto_free char *dir = path_join(fixture_rootfs, dirs[i]);

		if (dir_make(dir, 0755, NULL) < 0)
			return -1;
	}
	if (proc_run(copy, 5000, 0, NULL, NULL) != 0) {
		fputs("this test needs /bin/busybox (package busybox-static)\n", stderr);
		return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		auto_free char *name = xasprintf("%s/bin/%s", fixture_rootfs, names[i]);

		if (symlink("busybox", name) < 0)
			return -1;
	}
	return 0;
}

int fixture_setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("this test mounts: it needs root\n", stderr);
		return -1;
	}
	if (getenv("TEST_LOG"))
		log_open(2, "test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
	if (!mkdtemp(fixture_base) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return -1;
	/* Nothing of the host's own sandboxes, and nothing left behind among them. */
	if (mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		return -1;
	fixture_root = path_join(fixture_base, "sbs");
	fixture_rootfs = path_join(fixture_base, "rootfs");
	loop = loop_new();
	return make_rootfs();
}

int fixture_teardown(void **state)
{
	int r = tree_remove(fixture_base, NULL);

	(void)state;
	free(fixture_root);
	free(fixture_rootfs);
	loop_free(loop);
	return r;
}

void run_until(const bool *flag)
{
	int64_t deadline = loop_now_ms() + LIMIT_MS;

	while (!*flag) {
		if (loop_now_ms() > deadline)
			fail_msg("nothing came within %d ms", LIMIT_MS);
		assert_int_equal(loop_step(loop, 100), 0);
	}
}

void on_done(const struct err *err, void *arg)
{
	struct outcome *o = arg;

	assert_false(o->done);
	o->done = true;
	if (err)
		o->err = *err;
	assert_true(!err || err->code < 0);
}

void on_exit_status(const struct err *err, uint32_t status, void *arg)
{
	struct outcome *o = arg;

	o->status = status;
	on_done(err, o);
}

int finish(struct outcome *o)
{
	assert_false(o->done); /* never from within the function that took it */
	run_until(&o->done);
	return o->err.code;
}

struct config *make_config(const char *path, const char *more)
{
	auto_free char *file = path_join(fixture_base, "configuration.toml");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct config *config;

	str_printf(&text, "[hypervisor.fake]\npath = \"%s\"\n[agent.kata]\n%s\n",
		   path ? path : AGENT, more ? more : "");
	assert_int_equal(file_replace(file, text.data, text.len, 0600, NULL), 0);
	config = config_load(file, &err);
	if (!config)
		fail_msg("%s", err.msg);
	return config;
}

Grpc__Spec *make_spec(const char *script, const char *mounts)
{
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	str_printf(&text,
		   "{\"ociVersion\": \"1.0.2\", \"hostname\": \"box\","
		   " \"process\": {\"args\": [\"/bin/sh\", \"-c\", \"%s\"], \"cwd\": \"/\","
		   "  \"user\": {\"uid\": 0, \"gid\": 0}, \"env\": [\"PATH=/bin\"]},"
		   " \"root\": {\"path\": \"ignored\"}, \"annotations\": {\"k\": \"v\"},"
		   " \"mounts\": [%s"
		   "  {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
		   "  {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\"},"
		   "  {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\","
		   "   \"options\": [\"size=1m\"]}],"
		   " \"linux\": {\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"mount\"},"
		   "  {\"type\": \"uts\"}, {\"type\": \"ipc\"}, {\"type\": \"network\"}]}}",
		   script, mounts ? mounts : "");
	if (oci_spec_parse(text.data, text.len, "spec", &spec, &err) < 0)
		fail_msg("%s", err.msg);
	return spec;
}

static void on_died(const struct err *why, void *arg)
{
	(void)arg;
	fixture_deaths++;
	fixture_death = *why;
}

struct sandbox *new_sandbox(const char *id)
{
	struct sandbox_options opt = {
		.id = id,
		.root = fixture_root,
		.bundle = "/bundle",
		.address = "unix:///run/test.sock",
	};
	struct err err = ERR_INIT;
	struct sandbox *sb = NULL;

	fixture_deaths = 0;
	if (sandbox_new(loop, &opt, on_died, NULL, &sb, &err) < 0)
		fail_msg("%s", err.msg);
	return sb;
}

struct sandbox *boot_sandbox(const char *id)
{
	struct sandbox *sb = new_sandbox(id);
	Grpc__Spec *spec = make_spec("true", NULL);
	struct outcome o = { .done = false };

	sandbox_boot(sb, make_config(NULL, NULL), spec, on_done, &o);
	grpc__spec__free_unpacked(spec, NULL);
	if (finish(&o) < 0)
		fail_msg("%s", o.err.msg);
	assert_true(sandbox_pid(sb) > 0);
	return sb;
}

void stop_sandbox(struct sandbox *sb)
{
	struct outcome o = { .done = false };

	sandbox_stop(sb, on_done, &o);
	if (finish(&o) < 0)
		fail_msg("%s", o.err.msg);
	assert_int_equal(sandbox_pid(sb), 0);
	sandbox_destroy(sb);
}

void run_container(struct sandbox *sb, const char *id, const char *script, const char *mounts)
{
	struct outcome o = { .done = false };

	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = id, .bundle = "/bundle", .rootfs = fixture_rootfs },
				 make_spec(script, mounts), on_done, &o);
	if (finish(&o) < 0)
		fail_msg("%s", o.err.msg);
	o.done = false;
	sandbox_start_container(sb, id, on_done, &o);
	if (finish(&o) < 0)
		fail_msg("%s", o.err.msg);
}

static void on_data(const struct err *err, const void *data, size_t len, void *arg)
{
	struct outcome *o = arg;

	on_done(err, o);
	str_add(&o->data, data, len);
}

void read_all(struct sandbox *sb, const char *id, const char *exec_id, bool is_err, size_t max,
	      struct str *out)
{
	for (;;) {
		struct outcome o = { .done = false };

		(is_err ? sandbox_read_stderr : sandbox_read_stdout)(sb, id, exec_id, max, on_data,
								     &o);
		if (finish(&o) < 0)
			fail_msg("%s", o.err.msg);
		assert_true(o.data.len <= max);
		str_add(out, o.data.data, o.data.len);
		if (o.data.len == 0) {
			str_free(&o.data);
			return;
		}
		str_free(&o.data);
	}
}

uint32_t wait_exit(struct sandbox *sb, const char *id, const char *exec_id)
{
	struct outcome o = { .done = false };

	sandbox_wait(sb, id, exec_id, on_exit_status, &o);
	if (finish(&o) < 0)
		fail_msg("%s", o.err.msg);
	return o.status;
}

static void assert_absent(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	if (access(path, F_OK) == 0)
		fail_msg("%s is left", path);
}

static void assert_no_mounts(const char *dir)
{
	auto_str struct str text = STR_INIT;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char buf[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_add(&text, buf, n);
	fclose(f);
	if (strstr(str_text(&text), dir))
		fail_msg("a mount in %s is left", dir);
}

void assert_nothing_left(const char *id, bool state)
{
	auto_free char *share = path_join(SANDBOX_SHARE, id);
	auto_free char *dir = path_join(fixture_root, id);

	assert_absent(SANDBOX_VM_DIR, id);
	assert_absent(SANDBOX_SHARE, id);
	assert_no_mounts(share);
	if (state)
		assert_int_equal(access(dir, F_OK), 0);
	else
		assert_absent(fixture_root, id);
	for (size_t i = 0; i < cgroup_hierarchies(); i++) {
		auto_free char *name = xasprintf("kata-fake-%s", id);

		assert_absent(cgroup_hierarchy_mount(i), name);
	}
	/* The user's files are where they were. */
	assert_int_equal(access(fixture_rootfs, F_OK), 0);
}
