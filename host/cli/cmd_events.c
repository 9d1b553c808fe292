/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/stats_json.h"
#include "host/cli/task_verbs.h"
#include "proto/shim.pb-c.h"

#define STATS_LIMIT_MS 20000

/* Memory that ran out is told by another way than the end that it led to, and maybe later. */
#define LATE_MS 300

static struct {
	const char *interval;
	bool stats;
} opt = { .interval = "5s" };

static const struct flag flags[] = {
	{ "interval", NULL, FLAG_STRING, &opt.interval, "TIME",
	  "between two looks at what it uses (default: 5s)" },
	{ "stats", NULL, FLAG_BOOL, &opt.stats, NULL, "look once, and end" },
	{ 0 },
};

struct watch {
	struct opened o;
	const char *id;
	uint64_t after;	    /* number of the last event */
	bool ended, failed; /* failed: @err */
	struct err err;
	bool stats_due;
	struct loop_source *timer, *late;
	int64_t interval_ms;
};

/* Of Go: "500ms", "1m30s". Milliseconds, or -EINVAL. */
static int64_t duration(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ns", 1e-6 }, { "us", 1e-3 }, { "ms", 1 },
		      { "s", 1e3 },   { "m", 6e4 },   { "h", 3.6e6 } };
	double sum = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t digits = strspn(text, "0123456789."),
		       len = strcspn(text + digits, "0123456789."), i = 0;
		auto_free char *value = xstrndup(text, digits);
		char *end;
		double v = strtod(value, &end);

		while (i < ARRAY_SIZE(units) && (strlen(units[i].unit) != len ||
						 strncmp(units[i].unit, text + digits, len) != 0))
			i++;
		if (digits == 0 || *end || i == ARRAY_SIZE(units))
			return -EINVAL;
		sum += v * units[i].ms;
		text += digits + len;
	}
	return sum < 1e12 ? (int64_t)sum : -EINVAL;
}

static void print(const char *type, const char *id, json_object *data)
{
	json_object *event = json_object_new_object();

	json_object_object_add(event, "type", json_object_new_string(type));
	json_object_object_add(event, "id", json_object_new_string(id));
	if (data)
		json_object_object_add(event, "data", data);
	puts(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(event);
}

static int print_stats(struct watch *w, struct err *err)
{
	Grpc__StatsContainerResponse *stats = NULL;
	int r = task_stats(w->o.task, &stats, STATS_LIMIT_MS, err);

	if (r < 0)
		return r;
	print("stats", w->id, stats_json(stats));
	grpc__stats_container_response__free_unpacked(stats, NULL);
	return 0;
}

/* ---- the next event --------------------------------------------------------- */

static void ask(void *arg);

static void on_event(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Kata__Shim__NextEventResponse *event = (const Kata__Shim__NextEventResponse *)rsp;
	struct watch *w = arg;

	if (event && event->kind == KATA__SHIM__NEXT_EVENT_RESPONSE__KIND__OOM) {
		print("oom", w->id, NULL);
		w->after = event->number;
		ask(w);
	} else if (event && !w->late) {
		w->after = event->number;
		w->late = loop_add_timer(w->o.loop, LATE_MS, ask, w);
	} else if (!event && err->code != -ENOENT && err->code != -ECONNRESET) {
		w->failed = true;
		w->err = *err;
	} else { /* with its shim a container has ended, and when it was deleted */
		w->ended = true;
	}
}

static void ask(void *arg)
{
	Kata__Shim__NextEventRequest req = KATA__SHIM__NEXT_EVENT_REQUEST__INIT;
	struct watch *w = arg;

	req.id = (char *)(uintptr_t)w->id;
	req.after = w->after;
	ttrpc_client_call(task_client(w->o.task), &kata__shim__shim__descriptor, "NextEvent",
			  &req.base, 0, on_event, w);
}

static void on_timer(void *arg)
{
	struct watch *w = arg;

	w->timer = NULL;
	w->stats_due = true;
}

static int watch(struct watch *w, struct err *err)
{
	struct err why = ERR_INIT;

	w->after = UINT64_MAX; /* those from now on */
	ask(w);
	w->timer = loop_add_timer(w->o.loop, w->interval_ms, on_timer, w);
	while (!w->ended && !w->failed) {
		int r = loop_step(w->o.loop, -1);

		if (r < 0)
			return err_sys(err, r, "cannot wait");
		if (!w->stats_due || w->late)
			continue;
		w->stats_due = false;
		/* One that has ended meanwhile is told of by its event. */
		if (print_stats(w, &why) == -ETIMEDOUT)
			return err_set(err, ETIMEDOUT, "%s", err_msg(&why));
		w->timer = loop_add_timer(w->o.loop, w->interval_ms, on_timer, w);
	}
	return w->failed ? err_set(err, w->err.code, "%s", err_msg(&w->err)) : 0;
}

static int check_running(struct watch *w, struct err *err)
{
	const char *status = NULL;
	pid_t pid;
	int r = task_state(w->o.task, &status, &pid, STATS_LIMIT_MS, err);

	if (r < 0)
		return r;
	if (!status || strcmp(status, "stopped") == 0)
		return err_set(err, ESRCH, "container %s is not running", w->id);
	return 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct watch w = { .id = argv[0], .interval_ms = duration(opt.interval) };
	int r;

	(void)argc;
	if (w.interval_ms < 1)
		return err_set(err, EINVAL, "flag --interval: \"%s\" is no time like 5s or 500ms",
			       opt.interval);
	r = opened_open(&w.o, cli, argv[0], err);
	if (r == 0)
		r = check_running(&w, err);
	if (r == 0)
		r = opt.stats ? print_stats(&w, err) : watch(&w, err);
	opened_close(&w.o);
	return r;
}

const struct command cmd_events = {
	.name = "events",
	.args = "[options] ID",
	.help = "tell as JSON what a container uses, again and again, and when its memory runs out",
	.more = "It ends with the container.",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
