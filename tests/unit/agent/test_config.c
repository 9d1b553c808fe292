/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/config.h"

static void test_words(void **state)
{
	struct agent_config c;

	(void)state;
	config_init(&c);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(config_word(&c, "agent.log=debug", NULL), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(config_word(&c, "agent.log=critical", NULL), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_ERROR);
	assert_int_equal(config_word(&c, "agent.log_vport=1025", NULL), 0);
	assert_int_equal(c.log_vport, 1025);
	assert_int_equal(config_word(&c, "agent.container_pipe_size=65536", NULL), 0);
	assert_int_equal(c.pipe_size, 65536);
	assert_int_equal(config_word(&c, "agent.server_addr=vsock://-1:1024", NULL), 0);
	assert_string_equal(c.server_addr, "vsock://-1:1024");
	assert_int_equal(config_word(&c, "agent.server_addr=", NULL), 0);
	assert_null(c.server_addr);
	assert_int_equal(config_word(&c, "agent.devmode", NULL), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_false(c.restart_ends);
	assert_int_equal(config_word(&c, "reboot=t", NULL), 0);
	assert_true(c.restart_ends);
	config_done(&c);
}

static void test_others(void **state)
{
	static const char *const words[] = {
		"agent.nosuch", "agent.nosuch=1", "agent.", "agent", "log=debug",
		"quiet",	"agentlog=x",	  "=",	    ""
	};
	struct agent_config c;

	(void)state;
	config_init(&c);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_int_equal(config_word(&c, words[i], NULL), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
}

static void test_bad_values(void **state)
{
	static const char *const words[] = { "agent.log=loud",
					     "agent.log",
					     "agent.log_vport=x",
					     "agent.log_vport=-1",
					     "agent.log_vport=99999999999",
					     "agent.container_pipe_size=-5",
					     "agent.hotplug_timeout=x",
					     "agent.debug_console=maybe" };
	struct agent_config c;

	(void)state;
	config_init(&c);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(config_word(&c, words[i], &err), -EINVAL);
		assert_non_null(strstr(err_msg(&err), "agent."));
	}
	assert_int_equal(c.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c.log_vport, 0);
}

static void test_cmdline(void **state)
{
	struct agent_config c;

	(void)state;
	config_init(&c);
	config_cmdline(
		&c, "quiet  agent.log=loud\tagent.log_vport=7 dyndbg=\"file a agent.log_vport=8\" "
		    "\"agent.server_addr=unix:///a b\" agent.log=warn\n");
	assert_int_equal(c.log_level, LOG_LEVEL_WARN);
	assert_int_equal(c.log_vport, 7);
	assert_string_equal(c.server_addr, "unix:///a b");
	config_cmdline(&c, "agent.debug_console agent.debug_console_vport=1026 "
			   "agent.hotplug_timeout=7 agent.hotplug_timeout=0 agent.trace=false");
	assert_true(c.debug_console);
	assert_int_equal(c.debug_console_vport, 1026);
	assert_int_equal(c.hotplug_ms, 7000);
	config_cmdline(&c, "agent.debug_console=false agent.config_file=/no/such");
	assert_false(c.debug_console);
	config_cmdline(&c, "");
	config_cmdline(&c, "\"agent.log=debug");
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	config_done(&c);
}

static void test_file(void **state)
{
	static const char text[] =
		"# comment\nlog_level = \"debug\" # why\nlog_vport=12\n"
		"unknown = [1, 2]\n\n  server_addr = 'unix:///x'\ndebug_console = true\n"
		"hotplug_timeout = { secs = 1, nanos = 500_000_000 }\n"
		"cdh_api_timeout = { secs = 9 }\nunified_cgroup_hierarchy = true\n"
		"[table]\nlog_level = \"error\"\n";
	static const char *const bad[] = { "log_level=\"loud\"\n",
					   "log_level=1\n",
					   "log_vport=\"1\"\n",
					   "debug_console=1\n",
					   "hotplug_timeout=\"3\"\n",
					   "hotplug_timeout={nanos=1}\n",
					   "log_vport=-1\n",
					   "log_vport=1\nlog_vport=2\n",
					   "log=loud\n" };
	char path[] = "/tmp/agent-config-XXXXXX";
	auto_close int fd = mkstemp(path);
	struct err err = ERR_INIT;
	struct agent_config c;

	(void)state;
	assert_true(fd >= 0);
	config_init(&c);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
	assert_int_equal(config_file(&c, path, &err), 0);
	assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c.log_vport, 12);
	assert_string_equal(c.server_addr, "unix:///x");
	assert_true(c.debug_console);
	assert_int_equal(c.hotplug_ms, 1500);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err_clear(&err);
		assert_int_equal(file_replace(path, bad[i], strlen(bad[i]), 0600, NULL), 0);
		assert_int_equal(config_file(&c, path, &err), -EINVAL);
		assert_non_null(strstr(err_msg(&err), path));
	}
	unlink(path);
	assert_int_equal(config_file(&c, path, NULL), -ENOENT);
	config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	   cmocka_unit_test(test_others),
		cmocka_unit_test(test_bad_values), cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
