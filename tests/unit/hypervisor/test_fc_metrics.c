/* SPDX-License-Identifier: Apache-2.0 */
/* What Firecracker counts, as it writes it, and what else could come by that way. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "host/hypervisor/firecracker/metrics.h"

static void formats(void **state)
{
	static const char json[] =
		"{\"utc_timestamp_ms\":1,\"api_server\":{\"process_startup_time_us\":5000,"
		"\"process_startup_time_cpu_us\":40},\"other\":{\"x\":1},"
		"\"vcpu\":{\"exit_io_in\":7,\"exit_io_in_agg\":{\"min_us\":1},\"failures\":0,"
		"\"evil\\\"name\":1,\"float\":1.5,\"\":3},\"vsock\":[],\"vmm\":4}";
	struct str out = STR_INIT;

	(void)state;
	fc_metrics_format(json, strlen(json), &out);
	assert_string_equal(str_text(&out),
			    "# HELP kata_firecracker_api_server What Firecracker counts.\n"
			    "# TYPE kata_firecracker_api_server gauge\n"
			    "kata_firecracker_api_server{item=\"process_startup_time_us\"} 5000\n"
			    "kata_firecracker_api_server{item=\"process_startup_time_cpu_us\"} 40\n"
			    "# HELP kata_firecracker_vcpu What Firecracker counts.\n"
			    "# TYPE kata_firecracker_vcpu gauge\n"
			    "kata_firecracker_vcpu{item=\"exit_io_in\"} 7\n"
			    "kata_firecracker_vcpu{item=\"failures\"} 0\n");
	str_free(&out);
	fc_metrics_format("[1", 2, &out);
	fc_metrics_format("{\"vcpu\":{\"a\":1", 14, &out);
	assert_int_equal(out.len, 0);
}

static const char *after(struct loop *loop, struct fc_metrics *m, int fd, const char *text,
			 struct str *out)
{
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(loop_step(loop, 0), 0);
	str_free(out);
	fc_metrics_write(m, out);
	return str_text(out);
}

static void the_last_line_counts(void **state)
{
	struct loop *loop = loop_new();
	struct fc_metrics *m;
	struct str out = STR_INIT;
	static char large[FC_METRICS_MAX + 10];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	m = fc_metrics_new(loop, fds[0], NULL);
	assert_non_null(m);
	assert_string_equal(after(loop, m, fds[1], "{\"vmm\":{\"a\":1}", &out), "");
	assert_non_null(strstr(after(loop, m, fds[1], "}\n{\"vmm\":{\"a\":", &out), "} 1\n"));
	assert_non_null(strstr(after(loop, m, fds[1], "2}}\n", &out), "} 2\n"));
	/* One that is too long is passed over. */
	memset(large, ' ', sizeof(large) - 1);
	for (size_t at = 0; at < sizeof(large) - 1; at += 8000) {
		char piece[8001];
		size_t n = sizeof(large) - 1 - at < 8000 ? sizeof(large) - 1 - at : 8000;

		memcpy(piece, large + at, n);
		piece[n] = '\0';
		after(loop, m, fds[1], piece, &out);
	}
	assert_non_null(strstr(after(loop, m, fds[1], "{\"vmm\":{\"a\":3}}\n", &out), "} 2\n"));
	assert_non_null(strstr(after(loop, m, fds[1], "{\"vmm\":{\"a\":4}}\n", &out), "} 4\n"));
	close(fds[1]);
	assert_int_equal(loop_step(loop, 0), 0);
	fc_metrics_write(m, &out);
	fc_metrics_free(m);
	str_free(&out);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(the_last_line_counts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
