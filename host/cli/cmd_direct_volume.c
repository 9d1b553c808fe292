/* SPDX-License-Identifier: Apache-2.0 */
/* direct-volume: what a storage plugin says of block devices that guests mount themselves. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/cli.h"
#include "host/hypervisor/http.h"
#include "host/sandbox/state.h"
#include "host/storage/direct_volume.h"

/* The shim waits for its guest for less, unless a file system is made larger. */
#define ASK_LIMIT_MS 60000

static struct {
	const char *path, *info, *size;
} opt;

static const struct flag flags[] = {
	{ "volume-path", NULL, FLAG_STRING, &opt.path, "PATH",
	  "the volume, as containers name it" },
	{ "mount-info", NULL, FLAG_STRING, &opt.info, "JSON", "what is mounted there (add)" },
	{ "size", NULL, FLAG_STRING, &opt.size, "BYTES", "how large it is to be (resize)" },
	{ 0 },
};

/* ---- what the sandbox is asked ------------------------------------------------------ */

struct asking {
	bool done;
	struct err err;
	struct str answer;
};

static void on_answer(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct asking *a = arg;

	(void)status;
	a->done = true;
	if (err)
		a->err = *err;
	else if (answer)
		str_puts(&a->answer,
			 json_object_to_json_string_ext(
				 answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* Ask the sandbox that has the volume; @body is taken over. */
static int ask(const struct cli *cli, const char *method, const char *target,
	       struct json_object *body, struct str *answer, struct err *err)
{
	struct asking a = { .err = ERR_INIT, .answer = STR_INIT };
	auto_free char *sandbox = NULL, *socket = NULL;
	struct loop *loop = NULL;
	struct http *http;
	int r = direct_volume_sandbox(DIRECT_VOLUMES, opt.path, &sandbox, err);

	if (r == 0) {
		socket = xasprintf("%s/%s/%s", cli->root, sandbox, SANDBOX_MONITOR);
		if (access(socket, F_OK) < 0)
			r = err_set(err, ESRCH, "sandbox %s, which has the volume, is not running",
				    sandbox);
	}
	if (r == 0) {
		loop = loop_new();
		r = loop ? 0 : err_sys(err, errno, "cannot make an event loop");
	}
	if (r < 0) {
		json_object_put(body);
		return r;
	}
	http = http_new(loop, socket);
	http_ask(http,
		 &(const struct http_request){
			 .method = method, .path = target, .body = body, .limit_ms = ASK_LIMIT_MS },
		 on_answer, &a);
	while (!a.done && loop_step(loop, -1) == 0)
		;
	http_free(http);
	loop_free(loop);
	if (a.err.code) {
		*err = a.err;
		err_wrap(err, "sandbox %s", sandbox);
	}
	*answer = a.answer;
	return err->code;
}

/* What is no letter, digit or slash is %XX in a URL. */
static void put_escaped(struct str *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (isalnum(*p) || strchr("/-_.~", *p))
			str_putc(out, (char)*p);
		else
			str_printf(out, "%%%02X", *p);
}

/* ---- the actions ---------------------------------------------------------------------- */

static int add(const struct cli *cli, struct err *err)
{
	(void)cli;
	if (!opt.info || !*opt.info)
		return err_set(err, EINVAL, "direct-volume add: flag --mount-info is missing");
	return direct_volume_add(DIRECT_VOLUMES, opt.path, opt.info, err);
}

static int forget(const struct cli *cli, struct err *err)
{
	(void)cli;
	return direct_volume_remove(DIRECT_VOLUMES, opt.path, err);
}

static int stats(const struct cli *cli, struct err *err)
{
	auto_str struct str target = STR_INIT, answer = STR_INIT;
	int r;

	str_puts(&target, "/direct-volume/stats?path=");
	put_escaped(&target, opt.path);
	r = ask(cli, "GET", str_text(&target), NULL, &answer, err);
	if (r == 0)
		puts(str_text(&answer));
	return r;
}

static int resize(const struct cli *cli, struct err *err)
{
	auto_str struct str answer = STR_INIT;
	struct json_object *body;
	long long size;

	if (!opt.size || str_to_ll(opt.size, 1, INT64_MAX, &size) < 0)
		return err_set(err, EINVAL,
			       "direct-volume resize: flag --size: \"%s\" is no number of bytes",
			       opt.size ? opt.size : "");
	body = json_object_new_object();
	json_object_object_add(body, "VolumePath", json_object_new_string(opt.path));
	json_object_object_add(body, "Size", json_object_new_int64(size));
	return ask(cli, "POST", "/direct-volume/resize", body, &answer, err);
}

static const struct {
	const char *name;
	int (*run)(const struct cli *cli, struct err *err);
} actions[] = {
	{ "add", add },	    { "remove", forget }, { "delete", forget },
	{ "stats", stats }, { "resize", resize },
};

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	char *rest = NULL;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(actions) && strcmp(actions[i].name, argv[0]) != 0)
		i++;
	if (i == ARRAY_SIZE(actions))
		return err_set(err, EINVAL,
			       "direct-volume: \"%s\" is no action; there are add, remove, stats "
			       "and resize",
			       argv[0]);
	r = flags_parse_mixed(flags, argc - 1, argv + 1, &rest, err);
	if (r == 0 && rest)
		r = err_set(err, EINVAL, "direct-volume %s: unexpected argument: %s", argv[0],
			    rest);
	if (r == 0 && (!opt.path || !*opt.path))
		r = err_set(err, EINVAL, "direct-volume %s: flag --volume-path is missing",
			    argv[0]);
	return r < 0 ? r : actions[i].run(cli, err);
}

const struct command cmd_direct_volume = {
	.name = "direct-volume",
	.args = "add|remove|stats|resize [options]",
	.help = "tell of block devices that guests mount as volumes",
	.more = "For storage plugins: a container that has PATH as its volume gets in its place what\n"
		"--mount-info says, as\n"
		"  {\"volume-type\": \"block\", \"device\": \"/dev/sdb\", \"fstype\": \"ext4\",\n"
		"   \"options\": [\"noatime\"], \"metadata\": {\"fsGroup\": \"1000\"}}",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
