/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/stats.h"

static void check(Grpc__BlkioStatsEntry *e, uint64_t minor, const char *op, uint64_t value)
{
	assert_int_equal(e->major, 8);
	assert_int_equal(e->minor, minor);
	assert_string_equal(e->op, op);
	assert_int_equal(e->value, value);
}

static void test_blkio(void **state)
{
	Grpc__BlkioStats *b = calloc(1, sizeof(*b));

	(void)state;
	grpc__blkio_stats__init(b);
	stats_parse_blkio("8:0 Read 4096\n8:0 Write 0\n8:16 77\nTotal 4096\n",
			  &b->io_service_bytes_recursive, &b->n_io_service_bytes_recursive);
	assert_int_equal(b->n_io_service_bytes_recursive, 3);
	check(b->io_service_bytes_recursive[0], 0, "Read", 4096);
	check(b->io_service_bytes_recursive[1], 0, "Write", 0);
	check(b->io_service_bytes_recursive[2], 16, "", 77);
	stats_parse_io("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:16 \n", "rios",
		       "wios", &b->io_serviced_recursive, &b->n_io_serviced_recursive);
	assert_int_equal(b->n_io_serviced_recursive, 2);
	check(b->io_serviced_recursive[0], 0, "Read", 3);
	check(b->io_serviced_recursive[1], 0, "Write", 4);
	stats_parse_blkio("", &b->sectors_recursive, &b->n_sectors_recursive);
	assert_int_equal(b->n_sectors_recursive, 0);
	grpc__blkio_stats__free_unpacked(b, NULL);
}

static void test_net(void **state)
{
	static const char text[] =
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
		"    lo:    1000     10    1    2    0     0          0         0     2000      20    "
		"3    4    0     0       0          0\n"
		"  eth0:18446744073709551615 1 0 0 0 0 0 0 5 6 7 8 0 0 0 0\n";
	Grpc__StatsContainerResponse *rsp = calloc(1, sizeof(*rsp));

	(void)state;
	grpc__stats_container_response__init(rsp);
	stats_parse_net(text, rsp);
	assert_int_equal(rsp->n_network_stats, 2);
	assert_string_equal(rsp->network_stats[0]->name, "lo");
	assert_int_equal(rsp->network_stats[0]->rx_bytes, 1000);
	assert_int_equal(rsp->network_stats[0]->rx_dropped, 2);
	assert_int_equal(rsp->network_stats[0]->tx_packets, 20);
	assert_int_equal(rsp->network_stats[0]->tx_dropped, 4);
	assert_string_equal(rsp->network_stats[1]->name, "eth0");
	assert_int_equal(rsp->network_stats[1]->rx_bytes, UINT64_MAX);
	assert_int_equal(rsp->network_stats[1]->tx_errors, 7);
	grpc__stats_container_response__free_unpacked(rsp, NULL);
}

static void test_page_size(void **state)
{
	static const struct {
		unsigned long long kb;
		const char *want;
	} sizes[] = { { 64, "64KB" }, { 2048, "2MB" }, { 1048576, "1GB" }, { 16777216, "16GB" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		auto_free char *size = stats_page_size(sizes[i].kb);

		assert_string_equal(size, sizes[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blkio),
		cmocka_unit_test(test_net),
		cmocka_unit_test(test_page_size),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
