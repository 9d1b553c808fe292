/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask a shim by HTTP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture.h"
#include "host/shim/management.h"
#include "prom/parse.h"

static int dial(struct fixture *f)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(management_serve(f->shim->management, pair[0]), 0);
	return pair[1];
}

static void request(int fd, const char *method, const char *target, const char *body)
{
	auto_free char *text = xasprintf("%s %s HTTP/1.1\r\nHost: shim\r\nContent-Length: %zu\r\n"
					 "Connection: close\r\n\r\n%s",
					 method, target, strlen(body), body);

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The answer as "STATUS BODY"; "" while there is none. */
static const char *answer(struct fixture *f, int fd)
{
	static char text[256 << 10];
	char *body;
	size_t len = 0;
	ssize_t n;

	settle(f);
	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
		settle(f);
	}
	text[len] = '\0';
	if (len == 0)
		return "";
	assert_memory_equal(text, "HTTP/1.1 ", 9);
	body = strstr(text, "\r\n\r\n");
	assert_non_null(body);
	memmove(text, text + 9, 4);
	memmove(text + 4, body + 4, strlen(body + 4) + 1);
	return text;
}

static const char *ask_for(struct fixture *f, const char *method, const char *target,
			   const char *body)
{
	auto_close int fd = dial(f);

	request(fd, method, target, body);
	return answer(f, fd);
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in %s", line, text);
}

static void run_it(struct fixture *f)
{
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
	str_free(&fake.log);
}

/* ---- what is not the metrics ------------------------------------------------------ */

static void before_there_is_a_guest(void **state)
{
	struct fixture *f = *state;
	const char *text;

	assert_string_equal(ask_for(f, "GET", "/agent-url", ""),
			    "503 the sandbox has no guest that runs\n");
	assert_string_equal(ask_for(f, "GET", "/iptables", ""),
			    "503 the sandbox has no guest that runs\n");
	assert_string_equal(ask_for(f, "PUT", "/policy", "p"),
			    "503 the sandbox has no guest that runs\n");
	assert_string_equal(ask_for(f, "GET", "/direct-volume/stats?path=/volume+x", ""),
			    "503 the sandbox has no guest that runs\n");
	text = ask_for(f, "GET", "/metrics", "");
	has(text, "\nkata_shim_threads 1\n");
	assert_null(strstr(text, "kata_hypervisor"));
}

static void other_paths(void **state)
{
	static const char *const debug[] = { "/debug/vars", "/debug/pprof/",
					     "/debug/pprof/profile?seconds=9" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(debug); i++) {
		const char *text = ask_for(f, "GET", debug[i], "");

		assert_memory_equal(text, "404 there is no /debug/", 23);
		has(text, "not written in Go");
	}
	assert_string_equal(ask_for(f, "GET", "/", ""), "404 there is no /\n");
	assert_string_equal(ask_for(f, "GET", "/metrics/", ""), "404 there is no /metrics/\n");
	assert_string_equal(ask_for(f, "POST", "/metrics", ""),
			    "405 /metrics is not asked with POST\n");
	assert_string_equal(ask_for(f, "GET", "/policy", ""),
			    "405 /policy is not asked with GET\n");
}

static void where_the_agent_is(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	assert_string_equal(ask_for(f, "GET", "/agent-url", ""), "200 vsock://7:1024");
	fake.guest = "hvsock:///run/vc/vm/x/clh.sock";
	assert_string_equal(ask_for(f, "GET", "/agent-url", ""),
			    "200 hvsock:///run/vc/vm/x/clh.sock:1024");
	fake.guest = "unix:///run/vc/vm/x/console.sock";
	assert_memory_equal(ask_for(f, "GET", "/agent-url", ""), "501 the agent", 13);
	fake.guest = "";
	assert_memory_equal(ask_for(f, "GET", "/agent-url", ""), "501 the agent", 13);
}

static void packet_filters(void **state)
{
	Grpc__GetIPTablesResponse rules = GRPC__GET_IPTABLES_RESPONSE__INIT;
	Grpc__SetIPTablesResponse set = GRPC__SET_IPTABLES_RESPONSE__INIT;
	struct fixture *f = *state;

	run_it(f);
	rules.data.data = (uint8_t *)"*nat\nCOMMIT\n";
	rules.data.len = 12;
	fake.answer = &rules.base;
	assert_string_equal(ask_for(f, "GET", "/iptables", ""), "200 *nat\nCOMMIT\n");
	assert_string_equal(ask_for(f, "GET", "/ip6tables", ""), "200 *nat\nCOMMIT\n");
	fake.answer = &set.base;
	assert_string_equal(ask_for(f, "PUT", "/iptables", "*filter"), "200 ");
	assert_string_equal(ask_for(f, "PUT", "/ip6tables", "*raw"), "200 ");
	assert_string_equal(str_text(&fake.log),
			    "ask:GetIPTables/0 ask:GetIPTables/1 "
			    "ask:SetIPTables/0/*filter ask:SetIPTables/1/*raw ");
	fake.fail[FAKE_ASK] = EINVAL;
	assert_string_equal(ask_for(f, "PUT", "/iptables", "x"), "500 fake ask fails\n");
	fake.fail[FAKE_ASK] = ETIMEDOUT;
	assert_string_equal(ask_for(f, "GET", "/iptables", ""), "504 fake ask fails\n");
}

static void policies(void **state)
{
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct fixture *f = *state;

	run_it(f);
	fake.answer = &empty.base;
	assert_string_equal(ask_for(f, "PUT", "/policy", "package agent_policy"), "200 ");
	assert_string_equal(str_text(&fake.log), "ask:SetPolicy/package agent_policy ");
}

static void volumes(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{",
		"{\"VolumePath\":\"/volume x\"}",
		"{\"VolumePath\":\"/volume x\",\"Size\":0}",
		"{\"VolumePath\":\"/volume x\",\"Size\":-5}",
		"{\"VolumePath\":\"/volume x\",\"Size\":\"5\"}",
		"{\"VolumePath\":7,\"Size\":5}",
	};
	Grpc__VolumeUsage bytes = GRPC__VOLUME_USAGE__INIT, inodes = GRPC__VOLUME_USAGE__INIT;
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };
	Grpc__VolumeStatsResponse stats = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
	struct fixture *f = *state;

	run_it(f);
	bytes.total = 100;
	bytes.used = 40;
	bytes.available = 60;
	bytes.unit = GRPC__VOLUME_USAGE__UNIT__BYTES;
	inodes.total = 7;
	inodes.unit = GRPC__VOLUME_USAGE__UNIT__INODES;
	condition.abnormal = true;
	condition.message = (char *)"worn";
	stats.usage = usage;
	stats.n_usage = 2;
	stats.volume_condition = &condition;
	fake.answer = &stats.base;
	assert_string_equal(
		ask_for(f, "GET", "/direct-volume/stats?path=%2Fvolume%20x", ""),
		"200 {\"usage\":[{\"available\":60,\"total\":100,\"used\":40,\"unit\":1},"
		"{\"total\":7,\"unit\":2}],"
		"\"volume_condition\":{\"abnormal\":true,\"message\":\"worn\"}}");
	assert_string_equal(ask_for(f, "GET", "/direct-volume/stats", ""),
			    "400 the parameter path is missing\n");
	assert_string_equal(ask_for(f, "GET", "/direct-volume/stats?path=/other", ""),
			    "404 no container of this sandbox has the volume /other\n");
	fake.answer = &empty.base;
	assert_string_equal(ask_for(f, "POST", "/direct-volume/resize",
				    "{\"VolumePath\":\"/volume x\",\"size\":4096}"),
			    "200 ");
	assert_string_equal(str_text(&fake.log), "ask:GetVolumeStats//run/guest/volume "
						 "ask:ResizeVolume//run/guest/volume/4096 ");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_memory_equal(ask_for(f, "POST", "/direct-volume/resize", wrong[i]), "400 ",
				    4);
}

/* ---- the metrics --------------------------------------------------------------------- */

static void metrics_of_all(void **state)
{
	static const char *const wanted[] = {
		"\nprocess_open_fds ",
		"\nkata_shim_threads 1\n",
		"\nkata_shim_proc_status{item=\"vmrss\"} ",
		"\nkata_shim_proc_stat{item=\"utime\"} ",
		"\nkata_shim_io_stat{item=\"readbytes\"} ",
		"\nkata_shim_netdev{interface=\"lo\",item=\"recv_bytes\"} ",
		"\nkata_shim_fds ",
		"\nkata_shim_rpc_durations_histogram_milliseconds_count{action=\"create\"} 1\n",
		"\nkata_shim_rpc_durations_histogram_milliseconds_count{action=\"start\"} 1\n",
		"\nkata_shim_rpc_durations_histogram_milliseconds_count{action=\"resize_pty\"} 1\n",
		"\nkata_shim_rpc_durations_histogram_milliseconds_count{action=\"close_io\"} 1\n",
		"\nkata_shim_pod_overhead_cpu 0\n",
		"\nkata_hypervisor_fds 5\n",
		"\nkata_guest_load{item=\"load1\"} 1\n",
		"\nkata_agent_process_open_fds 9\n",
	};
	struct fixture *f = *state;
	const char *text;

	run_it(f);
	get(f, "ResizePty", "");
	get(f, "CloseIO", "");
	text = ask_for(f, "GET", "/metrics", "");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		has(text, wanted[i]);
	assert_null(strstr(text, "\ngo_"));
	assert_null(strstr(text, "kata_shim_fds 666\n")); /* the guest does not tell of the shim */
	for (const char *p = text + 4; *p; p = strchr(p, '\n') + 1) {
		struct prom_line l;

		assert_int_equal(prom_parse(p, strcspn(p, "\n"), &l), 0);
	}
}

static double value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	double v = -1;

	assert_non_null(at);
	assert_int_equal(sscanf(at + strlen(name), "%lf", &v), 1);
	return v;
}

static void what_the_pod_costs(void **state)
{
	Grpc__CpuUsage cpu = GRPC__CPU_USAGE__INIT;
	Grpc__CpuStats cpus = GRPC__CPU_STATS__INIT;
	Grpc__MemoryData usage = GRPC__MEMORY_DATA__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__CgroupStats group = GRPC__CGROUP_STATS__INIT;
	Grpc__StatsContainerResponse stats = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	struct fixture *f = *state;
	double mib;

	cpus.cpu_usage = &cpu;
	memory.usage = &usage;
	group.cpu_stats = &cpus;
	group.memory_stats = &memory;
	stats.cgroup_stats = &group;
	usage.usage = 1000 << 20;
	fake.stats = &stats;
	run_it(f);
	mib = value_of(ask_for(f, "GET", "/metrics", ""),
		       "\nkata_shim_pod_overhead_memory_in_bytes ") /
	      (1 << 20);
	/* 1024 MiB and the shim's, without the 1000 of the container. */
	assert_true(mib > 24 && mib < 400);
	usage.usage = (uint64_t)1 << 40;
	assert_true(value_of(ask_for(f, "GET", "/metrics", ""),
			     "\nkata_shim_pod_overhead_memory_in_bytes ") == 0);
	/* As if the last time was a second ago, and the host had run none of it. */
	f->shim->overhead.at -= 1000;
	f->shim->overhead.host_ns = 0;
	assert_true(value_of(ask_for(f, "GET", "/metrics", ""), "\nkata_shim_pod_overhead_cpu ") >=
		    0);
	/* When one does not tell, the numbers of before stay. */
	fake.fail[FAKE_STATS] = EIO;
	usage.usage = 0;
	assert_true(value_of(ask_for(f, "GET", "/metrics", ""),
			     "\nkata_shim_pod_overhead_memory_in_bytes ") == 0);
}

static void a_guest_that_is_silent(void **state)
{
	struct fixture *f = *state;
	int fds[SCRAPES_MAX + 1];
	const char *text;

	run_it(f);
	fake.hold[FAKE_ASK] = true;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		request(fds[i], "GET", "/metrics", "");
		settle(f);
	}
	assert_string_equal(answer(f, fds[0]), "");
	/* One too many does not wait. */
	text = answer(f, fds[SCRAPES_MAX]);
	has(text, "\nkata_hypervisor_fds 5\n");
	assert_null(strstr(text, "kata_guest"));
	for (int64_t end = loop_now_ms() + SCRAPE_LIMIT_MS + 100; loop_now_ms() < end;)
		assert_int_equal(loop_step(f->loop, 100), 0);
	for (size_t i = 0; i < SCRAPES_MAX; i++) {
		text = answer(f, fds[i]);
		has(text, "\nkata_hypervisor_fds 5\n");
		assert_null(strstr(text, "kata_guest"));
	}
	/* It wakes up: nobody waits any more. */
	fake_release(FAKE_ASK);
	settle(f);
	assert_int_equal(f->shim->scrapes, 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	has(ask_for(f, "GET", "/metrics", ""), "\nkata_guest_load{item=\"load1\"} 1\n");
}

static void the_sandbox_ends_meanwhile(void **state)
{
	struct fixture *f = *state;
	auto_close int scrape = dial(f), gone = dial(f), rules = dial(f);

	run_it(f);
	fake.hold[FAKE_ASK] = true;
	request(scrape, "GET", "/metrics", "");
	request(gone, "GET", "/metrics", "");
	request(rules, "GET", "/iptables", "");
	settle(f);
	close_fd(&gone);
	fake_dies("the machine has ended");
	has(answer(f, scrape), "\nkata_shim_threads 1\n");
	assert_string_equal(answer(f, rules), "500 the machine has ended\n");
	assert_string_equal(ask_for(f, "GET", "/agent-url", ""),
			    "503 the sandbox has no guest that runs\n");
	has(ask_for(f, "GET", "/metrics", ""), "\nkata_shim_threads 1\n");
}

/* The machine is being stopped while it is asked. */
static void the_shim_ends_meanwhile(void **state)
{
	struct fixture *f = *state;
	auto_close int scrape = dial(f), late = dial(f);

	run_it(f);
	fake.hold[FAKE_ASK] = true;
	fake.hold[FAKE_STOP] = true;
	request(scrape, "GET", "/metrics", "");
	settle(f);
	shim_end(f->shim, "a test");
	request(late, "GET", "/metrics", "");
	has(answer(f, late), "\nkata_shim_threads 1\n");
	fake_release(FAKE_ASK);
	has(answer(f, scrape), "\nkata_shim_threads 1\n");
	fake_release(FAKE_STOP);
	run_until(f, &f->shim->over);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(before_there_is_a_guest),
		T(other_paths),
		T(where_the_agent_is),
		T(packet_filters),
		T(policies),
		T(volumes),
		T(metrics_of_all),
		T(what_the_pod_costs),
		T(a_guest_that_is_silent),
		T(the_sandbox_ends_meanwhile),
		T(the_shim_ends_meanwhile),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
