/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as they come by ttrpc, carried out by the agent's own handlers for one
 * container whose process has pipes and has ended, or runs as far as anybody can
 * tell. What would touch the machine is replaced (--wrap): jobs, new processes,
 * namespaces and groups fail, as they may. The input is a list of requests: the
 * method's number, two bytes of length, the message; a number above all methods
 * hangs up first.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "fuzz.h"
#include "guest/agent/bundle.h"
#include "guest/agent/container.h"
#include "guest/agent/job.h"
#include "guest/agent/loopback.h"
#include "guest/agent/policy.h"
#include "guest/agent/process_io.h"
#include "guest/agent/rpc.h"
#include "guest/agent/userns.h"
#include "proto/ttrpc.pb-c.h"

#define CALLS_MAX  16
#define ROUNDS_MAX 64
#define SERVICE	   "grpc.AgentService"

void __wrap_job_run(struct loop *loop, job_fn fn, job_cb done, void *arg);
pid_t __wrap_launch_clone(const struct launch *l, int *sync, struct err *err);
int __wrap_cgroup_create(const char *path, struct cgroup **cg, struct err *err);
int __wrap_ns_plan(const Grpc__Linux *spec, const struct ns_shared *shared, struct ns_plan *plan,
		   struct err *err);
int __real_ns_plan(const Grpc__Linux *spec, const struct ns_shared *shared, struct ns_plan *plan,
		   struct err *err);
int __wrap_ns_make_shared(const char *hostname, int *ipc, int *uts, struct err *err);
int __wrap_userns_make(const struct userns_map *map, struct err *err);
int __wrap_nl_open(struct err *err);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_bundle_make(const char *id, const Grpc__Spec *spec, struct err *err);

struct replaced {
	job_cb done;
	void *arg;
};

static void fail_job(void *arg)
{
	struct replaced r = *(struct replaced *)arg;
	struct err err = ERR_INIT;

	free(arg);
	err_set(&err, EIO, "no jobs here");
	r.done(&err, r.arg);
}

void __wrap_job_run(struct loop *loop, job_fn fn, job_cb done, void *arg)
{
	struct replaced *r = xmalloc(sizeof(*r));

	(void)fn;
	*r = (struct replaced){ done, arg };
	loop_defer(loop, fail_job, r);
}

pid_t __wrap_launch_clone(const struct launch *l, int *sync, struct err *err)
{
	(void)l;
	(void)sync;
	return err_set(err, EPERM, "no processes here");
}

int __wrap_cgroup_create(const char *path, struct cgroup **cg, struct err *err)
{
	(void)path;
	(void)err;
	*cg = cgroup_open("/kata-c-fuzz/none");
	return 0;
}

/* Paths are opened, and may be any device of the machine. */
int __wrap_ns_plan(const Grpc__Linux *spec, const struct ns_shared *shared, struct ns_plan *plan,
		   struct err *err)
{
	for (size_t i = 0; spec && i < spec->n_namespaces; i++)
		if (*spec->namespaces[i]->path)
			return err_set(err, EPERM, "no namespaces here");
	return __real_ns_plan(spec, shared, plan, err);
}

int __wrap_ns_make_shared(const char *hostname, int *ipc, int *uts, struct err *err)
{
	(void)hostname;
	(void)ipc;
	(void)uts;
	return err_set(err, EPERM, "no namespaces here");
}

int __wrap_userns_make(const struct userns_map *map, struct err *err)
{
	must((map->n_uids == 0 || map->uids) && (map->n_gids == 0 || map->gids));
	return err_set(err, EPERM, "no namespaces here");
}

/* The text is made, and no file of it. */
int __wrap_bundle_make(const char *id, const Grpc__Spec *spec, struct err *err)
{
	auto_str struct str text = STR_INIT;

	(void)err;
	must(*id);
	json_put_message(&text, &spec->base);
	must(text.len >= 2 && text.data[text.len - 1] == '}');
	return 0;
}

int __wrap_nl_open(struct err *err)
{
	return err_set(err, EPERM, "no network here");
}

/* Of connections to the loopback: half of them say something, and the last one stays open. */
static int far_end = -1;

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)to;
	int pair[2];

	must(to->sa_family == AF_INET ? len == sizeof(*v4) : len == sizeof(struct sockaddr_in6));
	must(to->sa_family != AF_INET || v4->sin_addr.s_addr << 24 == 127U << 24);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	must(dup3(pair[0], fd, O_CLOEXEC) == fd);
	close(pair[0]);
	close_fd(&far_end);
	far_end = pair[1];
	if (v4->sin_port & 1)
		must(write(far_end, "hello", 5) == 5);
	errno = EINPROGRESS;
	return v4->sin_port & 2 ? -1 : 0;
}

static const char *const methods[] = {
	"CreateContainer",   "StartContainer",	  "RemoveContainer",  "ExecProcess",
	"SignalProcess",     "WaitProcess",	  "UpdateContainer",  "UpdateEphemeralMounts",
	"StatsContainer",    "PauseContainer",	  "ResumeContainer",  "WriteStdin",
	"ReadStdout",	     "ReadStderr",	  "CloseStdin",	      "TtyWinResize",
	"UpdateInterface",   "UpdateRoutes",	  "ListInterfaces",   "ListRoutes",
	"AddARPNeighbors",   "GetIPTables",	  "SetIPTables",      "CreateSandbox",
	"OnlineCPUMem",	     "MemHotplugByProbe", "SetGuestDateTime", "GetOOMEvent",
	"AddSwap",	     "AddSwapPath",	  "GetVolumeStats",   "ResizeVolume",
	"GetDiagnosticData", "ListProcesses",	  "MemAgentMemcgSet", "SetPolicy",
	"GetGuestDetails",   "NoSuchMethod",	  "ConnectLoopback",  "ReadLoopback",
	"WriteLoopback",     "CloseLoopback",
};

static struct agent agent;

static int pipe_end(int mine, int *other)
{
	int p[2];

	must(pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0);
	*other = p[!mine];
	return p[mine];
}

/* The far ends of its pipes, which the input may find full, empty or closed. */
static int ends[3];

static void add_container(bool running)
{
	struct container *c = xcalloc(1, sizeof(*c));
	struct process *p = xcalloc(1, sizeof(*p));
	struct passfd off = PASSFD_OFF;

	*c = (struct container){ .agent = &agent, .usable = true, .streams = PASSFD_OFF };
	c->id = xstrdup("c1");
	c->oom.fd = -1;
	c->cgroup = cgroup_open("/kata-c-fuzz/none");
	c->termination_log = xstrdup("/nonexistent");
	list_init(&c->processes);
	list_add_tail(&agent.containers, &c->link);
	p->container = c;
	p->id = xstrdup("c1");
	p->sync = -1;
	p->state = running ? PROCESS_RUNNING : PROCESS_EXITED;
	p->settled = !running;
	list_init(&p->waiters);
	process_io_init(p, &off);
	stream_init(&p->in, agent.loop, pipe_end(1, &ends[0]));
	stream_init(&p->out, agent.loop, pipe_end(0, &ends[1]));
	stream_init(&p->err, agent.loop, pipe_end(0, &ends[2]));
	must(write(ends[1], "what it said", 12) == 12);
	list_add_tail(&c->processes, &p->link);
	c->init = p;
}

static void on_removed(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static void settle(void)
{
	for (int i = 0; i < ROUNDS_MAX; i++)
		must(loop_step(agent.loop, 0) == 0);
}

static void remove_containers(void)
{
	for (int i = 0; i < 1000 && !list_empty(&agent.containers); i++) {
		struct container *c = container_of(agent.containers.next, struct container, link);

		if (!c->removing && !c->create)
			container_remove(c, 100, on_removed, NULL);
		must(loop_step(agent.loop, 1) == 0);
	}
	must(list_empty(&agent.containers));
}

static void send_request(int fd, uint32_t stream, const char *method, const uint8_t *data,
			 size_t len)
{
	Ttrpc__Request req = TTRPC__REQUEST__INIT;
	uint8_t head[TTRPC_HEADER_LEN] = { 0 };
	auto_free uint8_t *body = NULL;
	size_t n;

	req.service = (char *)SERVICE;
	req.method = (char *)method;
	req.payload.data = (uint8_t *)(uintptr_t)data;
	req.payload.len = len;
	body = xmalloc(ttrpc__request__get_packed_size(&req));
	n = ttrpc__request__pack(&req, body);
	for (int i = 0; i < 4; i++) {
		head[i] = (uint8_t)(n >> (24 - 8 * i));
		head[4 + i] = (uint8_t)(stream >> (24 - 8 * i));
	}
	head[8] = 1; /* a request */
	must(fd_write_full(fd, head, sizeof(head)) == 0);
	must(fd_write_full(fd, body, n) == 0);
}

static int connect_to_agent(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(ttrpc_server_serve(agent.server, pair[0]) == 0);
	return pair[1];
}

static void start(void)
{
	agent = (struct agent){ .shared = { -1, -1, -1 } };
	agent.loop = loop_new();
	must(agent.loop);
	config_init(&agent.config);
	log_open(-1, "", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	list_init(&agent.containers);
	list_init(&agent.storages);
	list_init(&agent.storage_ops);
	list_init(&agent.oom_events);
	list_init(&agent.oom_calls);
	agent.server = ttrpc_server_new(agent.loop);
	rpc_register(&agent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t stream = 1;
	int fd;

	if (size == 0)
		return 0;
	if (!agent.loop)
		start();
	add_container(data[0] & 1);
	fd = connect_to_agent();
	data++;
	size--;
	for (int calls = 0; calls < CALLS_MAX && size >= 3; calls++) {
		size_t len = (size_t)data[1] << 8 | data[2], method = data[0];

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		if (method >= ARRAY_SIZE(methods)) {
			close(fd);
			settle();
			fd = connect_to_agent();
			method %= ARRAY_SIZE(methods);
		}
		send_request(fd, stream, methods[method], data, len);
		stream += 2;
		settle();
		data += len;
		size -= len;
	}
	close(fd);
	for (int i = 0; i < 3; i++)
		close_fd(&ends[i]);
	settle();
	loopback_close_all();
	close_fd(&far_end);
	remove_containers();
	settle();
	must(list_empty(&agent.oom_calls) && ttrpc_server_connections(agent.server) == 0);
	policy_done();
	return 0;
}
