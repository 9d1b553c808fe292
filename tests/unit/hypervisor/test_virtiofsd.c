/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/hypervisor/virtiofsd.h"

static char *built(enum virtiofsd_dialect d, const char *cache, bool chroot,
		   const char *const *extra)
{
	auto_strv struct strv more = { 0 }, argv = { 0 };
	struct virtiofsd_options opt = { "/v", "/s", cache, &more, 9, false, chroot };
	struct str out = STR_INIT;

	for (; extra && *extra; extra++)
		strv_add(&more, *extra);
	virtiofsd_args(d, &opt, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(&out, "%s%s", i ? " " : "", argv.v[i]);
	return str_take(&out);
}

#define check(want, ...)                                   \
	do {                                               \
		auto_free char *have = built(__VA_ARGS__); \
		assert_string_equal(have, want);           \
	} while (0)

static void dialects_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(virtiofsd_dialect("virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7)"),
			 VIRTIOFSD_C);
	assert_int_equal(virtiofsd_dialect("using FUSE kernel interface version 7.36"),
			 VIRTIOFSD_C);
	assert_int_equal(virtiofsd_dialect("virtiofsd 1.10.1"), VIRTIOFSD_RUST);
	assert_int_equal(virtiofsd_dialect(""), VIRTIOFSD_UNKNOWN);
	assert_int_equal(virtiofsd_dialect("true (GNU coreutils) 9.1"), VIRTIOFSD_UNKNOWN);
}

static void both_dialects_say_the_same(void **state)
{
	(void)state;
	check("/v --fd=9 -f -o source=/s,cache=auto,announce_submounts,log_level=warn", VIRTIOFSD_C,
	      "auto", false, NULL);
	check("/v --fd=9 --shared-dir=/s --cache=auto --announce-submounts --log-level=warn",
	      VIRTIOFSD_RUST, "auto", false, NULL);
	check("/v --fd=9 -f -o source=/s,cache=none,announce_submounts,sandbox=chroot,log_level=warn",
	      VIRTIOFSD_C, "never", true, NULL);
	check("/v --fd=9 --shared-dir=/s --cache=never --announce-submounts --sandbox=chroot "
	      "--log-level=warn",
	      VIRTIOFSD_RUST, "never", true, NULL);
}

/* Data must not be cached where only metadata may be. */
static void c_has_no_metadata_cache(void **state)
{
	(void)state;
	check("/v --fd=9 -f -o source=/s,cache=none,announce_submounts,log_level=warn", VIRTIOFSD_C,
	      "metadata", false, NULL);
}

static void extra_arguments_are_translated(void **state)
{
	static const char *const extra[] = { "--thread-pool-size=1",
					     "--announce-submounts",
					     "--xattr",
					     "--cache=never",
					     "--log-level=debug",
					     "--sandbox=namespace",
					     "-o",
					     "writeback",
					     "--unheard-of",
					     NULL };

	(void)state;
	check("/v --fd=9 -f -o source=/s,cache=auto --thread-pool-size=1 -o announce_submounts -o "
	      "xattr -o cache=none -o log_level=debug -o sandbox=namespace -o writeback "
	      "--unheard-of",
	      VIRTIOFSD_C, "auto", true, extra);
	check("/v --fd=9 --shared-dir=/s --cache=auto --thread-pool-size=1 --announce-submounts "
	      "--xattr --cache=never --log-level=debug --sandbox=namespace -o writeback "
	      "--unheard-of",
	      VIRTIOFSD_RUST, "auto", true, extra);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialects_are_told_apart),
		cmocka_unit_test(both_dialects_say_the_same),
		cmocka_unit_test(c_has_no_metadata_cache),
		cmocka_unit_test(extra_arguments_are_translated),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("virtiofsd", tests, NULL, NULL);
}
