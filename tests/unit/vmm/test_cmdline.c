/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's command line: what is understood, and what is refused in which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/cmdline.h"

#define ARGS_MAX 64

/* Parse "kata-vmm" and the words of @line, which is changed. */
static int parse(struct cmdline *c, char *line, struct err *err)
{
	char *argv[ARGS_MAX] = { (char *)"kata-vmm" };
	int argc = 1;

	for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return cmdline_parse(c, argc, argv, err);
}

static void test_defaults(void **state)
{
	char line[] = "--kernel K";
	struct cmdline c;

	(void)state;
	assert_int_equal(parse(&c, line, NULL), 0);
	assert_string_equal(c.kernel, "K");
	assert_null(c.initrd);
	assert_string_equal(c.line, "");
	assert_string_equal(c.kvm, "/dev/kvm");
	assert_string_equal(c.console, "none");
	assert_int_equal(c.memory_mib, 128);
	assert_int_equal(c.cpus, 1);
}

static void test_all(void **state)
{
	char line[] =
		"--kernel=fd:3 --initrd I --cmdline a=b --memory 512 --cpus=8 --shared-memory "
		"--disk D,id=root,ro,direct,no-flush,iops=5,bps=6 --disk fd:4 "
		"--net tap=t0,mac=02:00:00:00:00:0f,mtu=1400,rx-bps=7,tx-bps=8 --net fd=9 "
		"--vsock V,cid=42 --fs fd:5,tag=shared,queue-size=128 --rng --no-acpi "
		"--balloon reporting,size=64 --control fd:6 --id box --debug --no-jail";
	struct cmdline c;
	int fds[CMDLINE_FDS_MAX];

	(void)state;
	assert_int_equal(parse(&c, line, NULL), 0);
	assert_int_equal(c.memory_mib, 512);
	assert_int_equal(c.cpus, 8);
	assert_int_equal(c.n_disks, 2);
	assert_string_equal(c.disk[0].file, "D");
	assert_string_equal(c.disk[0].id, "root");
	assert_true(c.disk[0].read_only && c.disk[0].direct && c.disk[0].no_flush);
	assert_int_equal(c.disk[0].iops, 5);
	assert_int_equal(c.disk[0].bps, 6);
	assert_false(c.disk[1].read_only);
	assert_int_equal(c.n_nets, 2);
	assert_string_equal(c.net[0].tap, "t0");
	assert_true(c.net[0].has_mac);
	assert_int_equal(c.net[0].mac[5], 15);
	assert_int_equal(c.net[0].mtu, 1400);
	assert_int_equal(c.net[0].rx_bps, 7);
	assert_int_equal(c.net[0].tx_bps, 8);
	assert_null(c.net[1].tap);
	assert_int_equal(c.net[1].fd, 9);
	assert_false(c.net[1].has_mac);
	assert_string_equal(c.vsock, "V");
	assert_int_equal(c.vsock_cid, 42);
	assert_string_equal(c.fs[0].tag, "shared");
	assert_int_equal(c.fs[0].queue_size, 128);
	assert_true(c.rng && c.balloon && c.balloon_reporting && c.no_acpi && c.debug);
	assert_true(c.no_jail && !c.no_seccomp);
	assert_int_equal(c.balloon_mib, 64);
	/* 3 (kernel), 6 (control), 4 (disk), 5 (fs), 9 (net) */
	assert_int_equal(cmdline_fds(&c, fds), 5);
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *says;
	} refused[] = {
		{ "", "--kernel is missing" },
		{ "--kernel", "--kernel: needs a value" },
		{ "--kernel K --rng=yes", "--rng: takes no value" },
		{ "--kernel K --frobnicate", "unknown argument \"--frobnicate\"" },
		{ "--kernel K vmlinux", "unknown argument \"vmlinux\"" },
		{ "--kernel K --memory 63", "not between 64" },
		{ "--kernel K --memory 64M", "is no number" },
		{ "--kernel K --memory -1", "is no number" },
		{ "--kernel K --memory 99999999999999999999", "is no number" },
		{ "--kernel K --cpus 0", "not between 1 and 254" },
		{ "--kernel K --cpus 255", "not between 1 and 254" },
		{ "--kernel K --disk ,ro", "--disk: names no file" },
		{ "--kernel K --disk D,rw", "unknown key \"rw\"" },
		{ "--kernel K --disk D,ro=1", "ro: takes no value" },
		{ "--kernel K --disk D,id=", "id: needs a value" },
		{ "--kernel K --disk D,iops=many", "iops: \"many\" is no number" },
		{ "--kernel K --net mtu=1400", "needs tap=NAME or fd=N" },
		{ "--kernel K --net tap=t,fd=3", "needs tap=NAME or fd=N" },
		{ "--kernel K --net tap=t,mac=02:00", "no address of a card" },
		{ "--kernel K --net tap=t,mac=01:00:00:00:00:00", "no address of a card" },
		{ "--kernel K --net tap=t,mac=02:00:00:00:00:00:00", "no address of a card" },
		{ "--kernel K --net tap=t,mtu=67", "not between 68" },
		{ "--kernel K --net tap=t,mtu=65536", "not between 68" },
		{ "--kernel K --vsock V,cid=2", "not between 3" },
		{ "--kernel K --vsock V --vsock W", "given twice" },
		{ "--kernel K --fs S,tag=t", "needs --shared-memory" },
		{ "--kernel K --shared-memory --fs S", "needs a tag" },
		{ "--kernel K --shared-memory --fs S,tag=1234567890123456789012345678901234567",
		  "longer than 36" },
		{ "--kernel K --balloon size=129", "larger than the machine's memory" },
		{ "--kernel K --balloon deflate", "unknown key \"deflate\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct err err = ERR_INIT;
		struct cmdline c;
		char line[200];

		assert_true(strlen(refused[i].line) < sizeof(line));
		memcpy(line, refused[i].line, strlen(refused[i].line) + 1);
		if (parse(&c, line, &err) != -EINVAL || !strstr(err.msg, refused[i].says))
			fail_msg("%s: \"%s\", not \"%s\"", refused[i].line, err.msg,
				 refused[i].says);
	}
}

static void test_many(void **state)
{
	char *argv[3 + 2 * (CMDLINE_DEVICES_MAX + 1)] = { (char *)"kata-vmm", (char *)"--kernel",
							  (char *)"K" };
	char disks[CMDLINE_DEVICES_MAX + 1][4];
	struct err err = ERR_INIT;
	struct cmdline c;
	int argc = 3;

	(void)state;
	for (int i = 0; i <= CMDLINE_DEVICES_MAX; i++) {
		memcpy(disks[i], "D", 2);
		argv[argc++] = (char *)"--disk";
		argv[argc++] = disks[i];
	}
	assert_int_equal(cmdline_parse(&c, argc - 2, argv, NULL), 0);
	assert_int_equal(cmdline_parse(&c, argc, argv, &err), -EINVAL);
	assert_string_equal(err.msg, "--disk: more than 32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
