/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent-call.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "proto/health.pb-c.h"

static const char usage_text[] =
	"usage: agent-call SOCKET COMMAND …     a path, serial:PATH, vsock:CID:PORT\n"
	"  checks N                                 microseconds for each of N round trips\n"
	"  check | version | details | oom | destroy-sandbox\n"
	"  create-sandbox ID HOSTNAME [SPEC-OPTIONS]\n"
	"  run|create CID SPEC-OPTIONS -- ARGS…    run = create, start, pump, remove\n"
	"  start|pump|wait|read|read-error|close-stdin|write CID [EID]\n"
	"  exec|exec-start CID EID OPTIONS -- ARGS…\n"
	"  signal CID EID NUMBER | resize CID EID ROWS COLUMNS\n"
	"  remove CID [SECONDS] | pause CID | resume CID | stats CID\n"
	"  update CID RESOURCE-OPTIONS\n"
	"  rpc METHOD [FIELD=VALUE…]                as \"storages.0.options.1=ro\"\n";

static void closed(const struct err *err, void *arg)
{
	(void)arg;
	(void)err; /* the pending call tells */
}

static ProtobufCMessage *call_service(struct session *s, const ProtobufCServiceDescriptor *service,
				      const char *method, const ProtobufCMessage *req, int64_t ms)
{
	ProtobufCMessage *rsp = NULL;
	struct err err = ERR_INIT;
	int r = ttrpc_client_call_sync(s->client, s->loop, service, method, req, NULL, 0, ms, &rsp,
				       &err);

	if (r < 0) {
		fprintf(stderr, "error %s: %s\n", strerrorname_np(-r), err_msg(&err));
		exit(125);
	}
	return rsp;
}

ProtobufCMessage *call(struct session *s, const char *method, const ProtobufCMessage *req,
		       int64_t ms)
{
	return call_service(s, &grpc__agent_service__descriptor, method, req, ms);
}

static int health(struct session *s, const char *method)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	ProtobufCMessage *rsp =
		call_service(s, &grpc__health__descriptor, method, &req.base, CALL_MS);

	if (!strcmp(method, "Check"))
		printf("%d\n", ((Grpc__HealthCheckResponse *)rsp)->status);
	else
		printf("%s %s\n", ((Grpc__VersionCheckResponse *)rsp)->grpc_version,
		       ((Grpc__VersionCheckResponse *)rsp)->agent_version);
	return 0;
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What a call costs when it does nothing. */
static int checks(struct session *s, int n)
{
	Grpc__CheckRequest req = GRPC__CHECK_REQUEST__INIT;
	int64_t start_us = now_us();

	for (int i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(
			call_service(s, &grpc__health__descriptor, "Check", &req.base, CALL_MS),
			NULL);
	printf("%.1f\n", (double)(now_us() - start_us) / n);
	return 0;
}

static int details(struct session *s)
{
	Grpc__GuestDetailsRequest req = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__GuestDetailsResponse *rsp;

	req.mem_block_size = req.mem_hotplug_probe = 1;
	rsp = (Grpc__GuestDetailsResponse *)call(s, "GetGuestDetails", &req.base, CALL_MS);
	printf("version %s\ninit %d\nseccomp %d\n", rsp->agent_details->version,
	       rsp->agent_details->init_daemon, rsp->agent_details->supports_seccomp);
	for (size_t i = 0; i < rsp->agent_details->n_storage_handlers; i++)
		printf("storage %s\n", rsp->agent_details->storage_handlers[i]);
	return 0;
}

static int oom(struct session *s)
{
	Grpc__GetOOMEventRequest req = GRPC__GET_OOMEVENT_REQUEST__INIT;

	puts(((Grpc__OOMEvent *)call(s, "GetOOMEvent", &req.base, CALL_MS))->container_id);
	return 0;
}

static int create_sandbox(struct session *s, int argc, char **argv)
{
	Grpc__CreateSandboxRequest req = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	struct spec spec;

	spec_parse(&spec, argc - 2, argv + 2);
	req.sandbox_id = argv[0];
	req.hostname = argv[1];
	if (spec.hook_path)
		req.guest_hook_path = spec.hook_path;
	req.sandbox_pidns = spec.sandbox_pidns;
	req.storages = spec.storages;
	req.n_storages = spec.n_storages;
	call(s, "CreateSandbox", &req.base, CALL_MS);
	return 0;
}

static void create(struct session *s, const char *cid, int argc, char **argv)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	struct spec spec;

	spec_parse(&spec, argc, argv);
	req.container_id = req.exec_id = (char *)cid;
	req.oci = &spec.spec;
	req.sandbox_pidns = spec.sandbox_pidns;
	req.string_user = spec.has_string_user ? &spec.string_user : NULL;
	req.storages = spec.storages;
	req.n_storages = spec.n_storages;
	for (size_t i = 0; i < spec.n_sets; i++)
		generic_set(&req.base, spec.sets[i]);
	call(s, "CreateContainer", &req.base, CALL_MS);
}

static void start(struct session *s, const char *cid)
{
	Grpc__StartContainerRequest req = GRPC__START_CONTAINER_REQUEST__INIT;

	req.container_id = (char *)cid;
	call(s, "StartContainer", &req.base, CALL_MS);
}

static void remove_container(struct session *s, const char *cid, const char *seconds)
{
	Grpc__RemoveContainerRequest req = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	req.container_id = (char *)cid;
	req.timeout = seconds ? (uint32_t)atoi(seconds) : 0;
	call(s, "RemoveContainer", &req.base, CALL_MS);
}

/* A container again and again, and how long it took on the average. */
static int rounds(struct session *s, const char *cid, int argc, char **argv)
{
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	int64_t to_wait = 0, start_us = now_us();
	struct spec spec;
	int n = atoi(argv[0]);

	spec_parse(&spec, argc - 1, argv + 1);
	req.container_id = req.exec_id = wait.container_id = wait.exec_id = (char *)cid;
	req.oci = &spec.spec;
	for (int i = 0; i < n; i++) {
		int64_t round_us = now_us();
		ProtobufCMessage *rsp;

		call(s, "CreateContainer", &req.base, CALL_MS);
		start(s, cid);
		rsp = call(s, "WaitProcess", &wait.base, CALL_MS);
		if (((Grpc__WaitProcessResponse *)rsp)->status)
			return 1;
		protobuf_c_message_free_unpacked(rsp, NULL);
		to_wait += now_us() - round_us;
		remove_container(s, cid, NULL);
	}
	printf("%" PRId64 " %" PRId64 "\n", to_wait / n, (now_us() - start_us) / n);
	return 0;
}

static int run(struct session *s, const char *cid, int argc, char **argv)
{
	int status;

	create(s, cid, argc, argv);
	start(s, cid);
	status = pump(s, cid, cid, false);
	remove_container(s, cid, NULL);
	return status;
}

static void exec_process(struct session *s, int argc, char **argv)
{
	Grpc__ExecProcessRequest req = GRPC__EXEC_PROCESS_REQUEST__INIT;
	struct spec spec;

	spec_parse(&spec, argc - 2, argv + 2);
	req.container_id = argv[0];
	req.exec_id = argv[1];
	req.process = &spec.process;
	req.string_user = spec.has_string_user ? &spec.string_user : NULL;
	for (size_t i = 0; i < spec.n_sets; i++)
		generic_set(&req.base, spec.sets[i]);
	call(s, "ExecProcess", &req.base, CALL_MS);
}

static int signal_process(struct session *s, char **argv)
{
	Grpc__SignalProcessRequest req = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	req.container_id = argv[0];
	req.exec_id = argv[1];
	req.signal = (uint32_t)atoi(argv[2]);
	call(s, "SignalProcess", &req.base, CALL_MS);
	return 0;
}

static int resize(struct session *s, char **argv)
{
	Grpc__TtyWinResizeRequest req = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	req.container_id = argv[0];
	req.exec_id = argv[1];
	req.row = (uint32_t)atoi(argv[2]);
	req.column = (uint32_t)atoi(argv[3]);
	call(s, "TtyWinResize", &req.base, CALL_MS);
	return 0;
}

static int wait_process(struct session *s, const char *cid, const char *eid)
{
	Grpc__WaitProcessRequest req = GRPC__WAIT_PROCESS_REQUEST__INIT;
	ProtobufCMessage *rsp;

	req.container_id = (char *)cid;
	req.exec_id = (char *)eid;
	rsp = call(s, "WaitProcess", &req.base, CALL_MS);
	printf("%d\n", ((Grpc__WaitProcessResponse *)rsp)->status);
	return 0;
}

static int read_stream(struct session *s, const char *method, const char *cid, const char *eid)
{
	Grpc__ReadStreamRequest req = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__ReadStreamResponse *rsp;

	req.container_id = (char *)cid;
	req.exec_id = (char *)eid;
	req.len = 4096;
	rsp = (Grpc__ReadStreamResponse *)call(s, method, &req.base, CALL_MS);
	return fd_write_full(STDOUT_FILENO, rsp->data.data, rsp->data.len) < 0;
}

static int write_stdin(struct session *s, const char *cid, const char *eid)
{
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	static uint8_t data[1 << 20];
	size_t n = fread(data, 1, sizeof(data), stdin);

	req.container_id = (char *)cid;
	req.exec_id = (char *)eid;
	req.data.data = data;
	req.data.len = n;
	printf("%" PRIu32 "\n",
	       ((Grpc__WriteStreamResponse *)call(s, "WriteStdin", &req.base, CALL_MS))->len);
	return 0;
}

static int close_stdin(struct session *s, const char *cid, const char *eid)
{
	Grpc__CloseStdinRequest req = GRPC__CLOSE_STDIN_REQUEST__INIT;

	req.container_id = (char *)cid;
	req.exec_id = (char *)eid;
	call(s, "CloseStdin", &req.base, CALL_MS);
	return 0;
}

static int stats(struct session *s, const char *cid)
{
	Grpc__StatsContainerRequest req = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *rsp;
	Grpc__CgroupStats *c;

	req.container_id = (char *)cid;
	rsp = (Grpc__StatsContainerResponse *)call(s, "StatsContainer", &req.base, CALL_MS);
	c = rsp->cgroup_stats;
	printf("cpu %" PRIu64 "\nmemory %" PRIu64 "\nlimit %" PRIu64 "\npids %" PRIu64 "\n",
	       c->cpu_stats->cpu_usage->total_usage, c->memory_stats->usage->usage,
	       c->memory_stats->usage->limit, c->pids_stats->current);
	for (size_t i = 0; i < c->memory_stats->n_stats; i++)
		printf("memory.%s %" PRIu64 "\n", c->memory_stats->stats[i]->key,
		       c->memory_stats->stats[i]->value);
	for (size_t i = 0; i < c->n_hugetlb_stats; i++)
		printf("hugetlb %s %" PRIu64 "\n", c->hugetlb_stats[i]->key,
		       c->hugetlb_stats[i]->value->usage);
	for (size_t i = 0; i < c->blkio_stats->n_io_service_bytes_recursive; i++)
		printf("io %s %" PRIu64 "\n", c->blkio_stats->io_service_bytes_recursive[i]->op,
		       c->blkio_stats->io_service_bytes_recursive[i]->value);
	for (size_t i = 0; i < rsp->n_network_stats; i++)
		printf("net %s %" PRIu64 "\n", rsp->network_stats[i]->name,
		       rsp->network_stats[i]->rx_bytes);
	return 0;
}

static int update(struct session *s, const char *cid, int argc, char **argv)
{
	Grpc__UpdateContainerRequest req = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	struct spec spec;

	spec_parse(&spec, argc, argv);
	req.container_id = (char *)cid;
	req.resources = spec.spec.linux->resources;
	call(s, "UpdateContainer", &req.base, CALL_MS);
	return 0;
}

static int pause_or_resume(struct session *s, const char *method, const char *cid)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;

	pause.container_id = resume.container_id = (char *)cid;
	call(s, method, !strcmp(method, "PauseContainer") ? &pause.base : &resume.base, CALL_MS);
	return 0;
}

/* Commands of one process: CID [EID]. */
static int process_command(struct session *s, const char *cmd, const char *cid, const char *eid)
{
	if (!strcmp(cmd, "pump"))
		return pump(s, cid, eid, false);
	if (!strcmp(cmd, "wait"))
		return wait_process(s, cid, eid);
	if (!strcmp(cmd, "read"))
		return read_stream(s, "ReadStdout", cid, eid);
	if (!strcmp(cmd, "read-error"))
		return read_stream(s, "ReadStderr", cid, eid);
	if (!strcmp(cmd, "write"))
		return write_stdin(s, cid, eid);
	if (!strcmp(cmd, "close-stdin"))
		return close_stdin(s, cid, eid);
	return -1;
}

static int container_command(struct session *s, const char *cmd, int argc, char **argv)
{
	if (!strcmp(cmd, "run"))
		return run(s, argv[0], argc - 1, argv + 1);
	if (!strcmp(cmd, "rounds") && argc >= 2 && atoi(argv[1]) > 0)
		return rounds(s, argv[0], argc - 1, argv + 1);
	if (!strcmp(cmd, "create"))
		return create(s, argv[0], argc - 1, argv + 1), 0;
	if (!strcmp(cmd, "start"))
		return start(s, argv[0]), 0;
	if (!strcmp(cmd, "remove"))
		return remove_container(s, argv[0], argc > 1 ? argv[1] : NULL), 0;
	if (!strcmp(cmd, "stats"))
		return stats(s, argv[0]);
	if (!strcmp(cmd, "update"))
		return update(s, argv[0], argc - 1, argv + 1);
	if (!strcmp(cmd, "pause"))
		return pause_or_resume(s, "PauseContainer", argv[0]);
	if (!strcmp(cmd, "resume"))
		return pause_or_resume(s, "ResumeContainer", argv[0]);
	if (!strcmp(cmd, "create-sandbox") && argc >= 2)
		return create_sandbox(s, argc, argv);
	if (!strcmp(cmd, "exec-start") && argc >= 2)
		return exec_process(s, argc, argv), 0;
	if (!strcmp(cmd, "exec") && argc >= 2) {
		exec_process(s, argc, argv);
		return pump(s, argv[0], argv[1], false);
	}
	if (!strcmp(cmd, "signal") && argc == 3)
		return signal_process(s, argv);
	if (!strcmp(cmd, "resize") && argc == 4)
		return resize(s, argv);
	return process_command(s, cmd, argv[0], argc > 1 ? argv[1] : argv[0]);
}

static int command(struct session *s, const char *cmd, int argc, char **argv)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;

	if (!strcmp(cmd, "check"))
		return health(s, "Check");
	if (!strcmp(cmd, "checks") && argc == 1 && atoi(argv[0]) > 0)
		return checks(s, atoi(argv[0]));
	if (!strcmp(cmd, "version"))
		return health(s, "Version");
	if (!strcmp(cmd, "details"))
		return details(s);
	if (!strcmp(cmd, "oom"))
		return oom(s);
	if (!strcmp(cmd, "destroy-sandbox"))
		return call(s, "DestroySandbox", &destroy.base, CALL_MS), 0;
	if (!strcmp(cmd, "rpc") && argc >= 1)
		return generic(s, argv[0], argc - 1, argv + 1);
	return argc < 1 ? -1 : container_command(s, cmd, argc, argv);
}

/* @where: "CID:PORT" */
static int connect_vsock(const char *where, struct err *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK };
	auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sscanf(where, "%u:%u", &addr.svm_cid, &addr.svm_port) != 2)
		return err_set(err, EINVAL, "vsock:%s", where);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, errno, "vsock:%s", where);
	return take_fd(&fd);
}

int main(int argc, char **argv)
{
	static const char prefix[] = "serial:", vsock[] = "vsock:";
	struct session s;
	struct err err = ERR_INIT;
	bool serial;
	int fd, r;

	if (argc < 3) {
		fputs(usage_text, stderr);
		return 124;
	}
	signal(SIGPIPE, SIG_IGN);
	serial = str_starts(argv[1], prefix);
	if (str_starts(argv[1], vsock))
		fd = connect_vsock(argv[1] + strlen(vsock), &err);
	else
		fd = unix_connect(argv[1] + (serial ? strlen(prefix) : 0), true, &err);
	if (fd < 0) {
		fprintf(stderr, "agent-call: %s\n", err_msg(&err));
		return 123;
	}
	s.loop = loop_new();
	s.client = serial ? ttrpc_client_new_serial(s.loop, fd, CALL_MS, closed, NULL) :
			    ttrpc_client_new(s.loop, fd, closed, NULL);
	r = command(&s, argv[2], argc - 3, argv + 3);
	if (r < 0)
		fputs(usage_text, stderr);
	ttrpc_client_free(s.client);
	loop_free(s.loop);
	return r < 0 ? 124 : r;
}
