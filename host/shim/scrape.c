/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: what is known of this process and of the machine at once, of the guest when
 * it answers. While the sandbox ends all that is asked of it is answered with an error, and
 * the scrape with what is there.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/control.h"
#include "host/shim/management.h"
#include "host/shim/process.h"
#include "host/shim/task.h"
#include "prom/parse.h"
#include "prom/text.h"

/* Below that clock ticks are too coarse. */
#define OVERHEAD_STEP_MS 1000

#define NS_PER_MS 1000000.0

struct scrape {
	struct shim *s;
	struct httpd_call *call; /* NULL: it was answered */
	struct loop_source *limit;
	unsigned pending;	  /* answers that the sandbox owes */
	struct str agent;	  /* the agent's own */
	uint64_t guest_ns, guest; /* of all containers */
	bool incomplete;	  /* not all of them told */
};

/* ---- what the sandbox costs beside what its containers use ------------------------- */

static void measure(struct scrape *sc)
{
	struct overhead *o = &sc->s->overhead;
	struct prom_usage host = { 0 };
	int64_t now = loop_now_ms(), passed = now - o->at;
	double used, guests;

	if (sc->incomplete || !shim_has_guest(sc->s))
		return;
	prom_usage_add(&host, getpid(), true);
	sandbox_usage(sc->s->sandbox, &host);
	o->memory = host.memory > sc->guest ? (double)(host.memory - sc->guest) : 0;
	if (o->at && passed < OVERHEAD_STEP_MS)
		return;
	/* Who has come or gone meanwhile takes his time along. */
	used = host.cpu_ns > o->host_ns ? (double)(host.cpu_ns - o->host_ns) : 0;
	guests = sc->guest_ns > o->guest_ns ? (double)(sc->guest_ns - o->guest_ns) : 0;
	if (o->at)
		o->cpu = used > guests ? (used - guests) / ((double)passed * NS_PER_MS) * 100 : 0;
	o->at = now;
	o->host_ns = host.cpu_ns;
	o->guest_ns = sc->guest_ns;
}

/* ---- the answer ---------------------------------------------------------------------- */

static void compose(struct scrape *sc, struct str *out)
{
	struct shim *s = sc->s;

	prom_self(out, "");
	prom_process(out, "kata_shim_", "Kata containerd shim v2", getpid(), true);
	prom_histogram_write(&s->rpcs, out, "kata_shim_", "rpc_durations_histogram_milliseconds",
			     "RPC latency distributions.", "action");
	prom_value(out, "kata_shim_", "pod_overhead_cpu", "gauge",
		   "Kata Pod overhead for CPU resources(percent).", s->overhead.cpu);
	prom_value(out, "kata_shim_", "pod_overhead_memory_in_bytes", "gauge",
		   "Kata Pod overhead for memory resources(bytes).", s->overhead.memory);
	if (s->sandbox)
		sandbox_metrics(s->sandbox, out);
	prom_take_agents(str_text(&sc->agent), SCRAPE_AGENT_MAX, out);
}

static void answer(struct scrape *sc)
{
	auto_str struct str body = STR_INIT;

	loop_remove(&sc->limit);
	measure(sc);
	compose(sc, &body);
	httpd_reply(take_ptr(sc->call), 200, PROM_CONTENT_TYPE, &body);
}

/* The sandbox owes one answer less. */
static void settle(struct scrape *sc)
{
	if (--sc->pending > 0)
		return;
	if (sc->call)
		answer(sc);
	sc->s->scrapes--;
	str_free(&sc->agent);
	free(sc);
	malloc_trim(0);
}

static void on_limit(void *arg)
{
	struct scrape *sc = arg;

	sc->limit = NULL;
	sc->incomplete = true;
	log_info("the guest does not tell its metrics within %d ms", SCRAPE_LIMIT_MS);
	answer(sc);
}

static void on_metrics(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__Metrics *metrics = (const Grpc__Metrics *)rsp;
	struct scrape *sc = arg;

	if (!rsp)
		log_debug("metrics: %s", err_msg(err));
	else if (sc->call)
		str_puts(&sc->agent, metrics->metrics);
	settle(sc);
}

static void on_stats(const struct err *err, const Grpc__StatsContainerResponse *stats, void *arg)
{
	struct scrape *sc = arg;
	const Grpc__CgroupStats *cg = stats ? stats->cgroup_stats : NULL;

	if (err || !cg) {
		sc->incomplete = true;
	} else {
		if (cg->cpu_stats && cg->cpu_stats->cpu_usage)
			sc->guest_ns += cg->cpu_stats->cpu_usage->total_usage;
		if (cg->memory_stats && cg->memory_stats->usage)
			sc->guest += cg->memory_stats->usage->usage;
	}
	settle(sc);
}

static void ask_guest(struct scrape *sc)
{
	Grpc__GetMetricsRequest req = GRPC__GET_METRICS_REQUEST__INIT;
	struct shim *s = sc->s;
	struct list *it;

	sc->limit = loop_add_timer(s->loop, SCRAPE_LIMIT_MS, on_limit, sc);
	sc->pending++;
	sandbox_ask_agent(s->sandbox, "GetMetrics", &req.base, on_metrics, sc);
	list_for_each(it, &s->tasks) {
		const struct task *t = container_of(it, struct task, link);

		if (t->init->state != PROCESS_RUNNING || t->init->exited || t->init->deleting)
			continue;
		sc->pending++;
		sandbox_stats(s->sandbox, t->id, on_stats, sc);
	}
}

void scrape_begin(struct shim *s, struct httpd_call *call)
{
	struct scrape *sc = xcalloc(1, sizeof(*sc));

	sc->s = s;
	sc->call = call;
	sc->pending = 1; /* this function's own */
	if (shim_has_guest(s) && s->scrapes < SCRAPES_MAX)
		ask_guest(sc);
	else
		sc->incomplete = true;
	s->scrapes++;
	settle(sc);
}
