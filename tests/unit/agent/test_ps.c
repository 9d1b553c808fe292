/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/ps.h"

static char proc[32];
static const pid_t pids[] = { 7, 12, 99 }; /* 99 has gone */

static void put(const char *name, const char *data, size_t len)
{
	auto_free char *path = path_join(proc, name), *dir = xstrdup(path);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, data, len, 0600, NULL), 0);
}

#define PUT(name, text) put(name, text, sizeof(text) - 1)

static int setup(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/test-ps-XXXXXX");
	assert_non_null(mkdtemp(proc));
	PUT("uptime", "100.00 50.00\n");
	PUT("meminfo", "MemTotal:        1000 kB\n");
	PUT("7/stat",
	    "7 (sh) S 1 7 7 34816 12 4194560 0 0 0 0 100 50 0 0 20 0 1 0 9000 2048000 25 18\n");
	PUT("7/status", "Name:\tsh\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
	PUT("7/cmdline", "sh\0-c\0a\nb\0");
	PUT("12/stat",
	    "12 (a) (b) R 7 12 7 34816 12 4194560 0 0 0 0 0 360000 0 0 39 19 3 0 9500 4096 0 18\n");
	PUT("12/status", "Name:\ta) (b\nUid:\t5\t1000\t0\t0\nGid:\t5\t1001\t0\t0\n");
	PUT("12/cmdline", "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(proc, NULL);
}

static char *table(const char *line)
{
	auto_free char *copy = xstrdup(line);
	char *args[8], *save = NULL;
	struct str out = STR_INIT;
	struct err err = ERR_INIT;
	size_t n = 0;

	for (char *a = strtok_r(copy, " ", &save); a; a = strtok_r(NULL, " ", &save))
		args[n++] = a;
	if (ps_table(proc, pids, 3, args, n, &out, &err) < 0) {
		assert_int_equal(err.code, -EINVAL);
		str_printf(&out, "error: %s", err_msg(&err));
	}
	return str_take(&out);
}

static void expect(const char *line, const char *expected)
{
	auto_free char *got = table(line);

	assert_string_equal(got, expected);
}

static void columns(void **state)
{
	(void)state;
	expect("-o pid,ppid,user,comm", "PID PPID USER COMMAND\n"
					"  7    1 root sh\n"
					" 12    7 1000 a) (b\n");
	expect("-o pid -o args", "PID COMMAND\n  7 sh -c a?b\n 12 [a) (b]\n");
	expect("-opid,args=WHAT,EVER", "PID WHAT,EVER\n  7 sh -c a?b\n 12 [a) (b]\n");
	expect("o pid=", "  \n 7\n12\n");
	expect("--format=sid,pgid,tty,stat,s", "SID PGID TTY   STAT S\n"
					       "  7    7 pts/0 Ss   S\n"
					       "  7   12 pts/0 RNl+ R\n");
	expect("-eo uid,gid,ni,nlwp,pri,vsz,rss,pmem", " UID  GID NI NLWP PRI  VSZ RSS %MEM\n"
						       "   0    0  0    1  19 2000 100 10.0\n"
						       "1000 1001 19    3   0    4   0  0.0\n");
	expect("-o pid,time,bsdtime,etime,etimes,c,pcpu",
	       "PID     TIME  TIME ELAPSED ELAPSED     C    %CPU\n"
	       "  7 00:00:01  0:01   00:10      10    15    15.0\n"
	       " 12 01:00:00 60:00   00:05       5 72000 72000.0\n");
}

/* Runs of blanks become one. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (*text != ' ' || text[1] != ' ')
			*to++ = *text;
	*to = '\0';
}

static void expect_style(const char *line, const char *headers, const char *row)
{
	auto_free char *got = table(line);

	squeeze(got);
	assert_int_equal(strncmp(got, headers, strlen(headers)), 0);
	assert_non_null(strstr(got, row));
}

static void styles(void **state)
{
	static const char *const full[] = { "", "-ef", "-e -f", "-A -f", "-efw" };
	static const char *const bsd[] = { "ax", "x", "-x", "axww", "axf" };
	static const char *const user[] = { "aux", "-aux", "u", "axuw" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(full); i++)
		expect_style(full[i], "UID PID PPID C STIME TTY TIME CMD\nroot 7 1 15 ",
			     " pts/0 00:00:01 sh -c a?b\n");
	for (size_t i = 0; i < ARRAY_SIZE(user); i++)
		expect_style(user[i],
			     "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND\nroot 7 15.0 ",
			     " 0:01 sh -c a?b\n");
	for (size_t i = 0; i < ARRAY_SIZE(bsd); i++)
		expect_style(bsd[i], "PID TTY STAT TIME COMMAND\n", " 0:01 sh -c a?b\n");
	expect_style("-ej", "PID PGID SID TTY TIME CMD\n", " 00:00:01 sh\n");
	expect("-e", "PID TTY       TIME CMD\n"
		     "  7 pts/0 00:00:01 sh\n"
		     " 12 pts/0 01:00:00 a) (b\n");
}

static void mistakes(void **state)
{
	(void)state;
	expect("-o pid,nosuch", "error: ps: there is no column \"nosuch\"");
	expect("-o", "error: ps: option o needs a format");
	expect("-u root", "error: ps: option \"-u\" is not supported");
	expect("-eZ", "error: ps: option \"-Z\" is not supported");
	expect("Q", "error: ps: option \"Q\" is not supported");
}

static void json(void **state)
{
	auto_str struct str out = STR_INIT;

	(void)state;
	ps_json(pids, 3, &out);
	ps_json(pids, 0, &out);
	assert_string_equal(str_text(&out), "[7,12,99][]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns),
		cmocka_unit_test(styles),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(json),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
