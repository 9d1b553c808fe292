/* SPDX-License-Identifier: Apache-2.0 */
/* The keys outside [hypervisor.X]: what each does, or why it is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"
#include "host/config/keys.h"

/* The names of the Rust runtime, and what its pair of timeouts comes to. */
static void test_rust_names(void **state)
{
	static const struct {
		const char *keys;
		int dial, reconnect;
	} cases[] = {
		{ "", 45000, 3000 },
		{ "dial_timeout_ms = 300\n", 300, 3000 },
		{ "dial_timeout_ms = 10\nreconnect_timeout_ms = 4000\n", 4000, 4000 },
		{ "dial_timeout_ms = 45000\nreconnect_timeout_ms = 4000\n", 45000, 4000 },
		{ "reconnect_timeout_ms = 200\n", 45000, 200 },
		{ "dial_timeout = 2\n", 2000, 3000 },
	};
	struct config *c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text =
			xasprintf("[hypervisor.qemu]\n[agent.kata]\n%s", cases[i].keys);

		c = load_text(text);
		assert_int_equal(c->agent.dial_timeout_ms, cases[i].dial);
		assert_int_equal(c->agent.reconnect_timeout_ms, cases[i].reconnect);
		config_free(c);
	}
	c = load_text("[hypervisor.clh]\nselinux_label = \"a:b:c\"\n"
		      "guest_extension_images = []\n[agent.kata]\ncreate_container_timeout = 7\n"
		      "[agent.kata.mem_agent]\nmemcg_swappiness_max = 60\n"
		      "compact_force_times = 9223372036854775807\n[runtime]\n"
		      "name = \"virt_container\"\nhypervisor_name = \"clh\"\n"
		      "agent_name = \"kata\"\nlog_level = \"warn\"\n");
	assert_int_equal(c->warnings.n, 0);
	assert_string_equal(c->runtime.guest_selinux_label, "a:b:c");
	assert_int_equal(c->runtime.create_container_timeout, 7);
	assert_int_equal(c->agent.mem_agent.memcg_swappiness_max, 60);
	assert_int_equal(config_log_level(c), LOG_LEVEL_WARN);
	config_free(c);
	c = load_text("[hypervisor.qemu]\n[runtime]\nlog_level = \"error\"\n"
		      "enable_debug = true\n");
	assert_int_equal(config_log_level(c), LOG_LEVEL_DEBUG);
	config_free(c);
	put("c.toml", "[[hypervisor.qemu.guest_extension_images]]\nname = \"gpu\"\n");
	assert_refused("c.toml:1:19: hypervisor.qemu.guest_extension_images: images that extend "
		       "the guest are not supported");
}

/* What is not there is refused when a sandbox is to be made, by the key's name. */
static void test_supported(void **state)
{
	static const struct {
		const char *text, *msg; /* NULL: fine */
	} cases[] = {
		{ "", NULL },
		{ "[runtime]\nenable_tracing = true",
		  "runtime.enable_tracing: true is not supported: traces are not recorded" },
		{ "[runtime]\njaeger_endpoint = \"http://x\"",
		  "runtime.jaeger_endpoint: \"http://x\" is not supported: traces are not "
		  "recorded" },
		{ "[agent.kata.mem_agent]\nmem_agent_enable = true",
		  "agent.kata.mem_agent.mem_agent_enable: true is not supported: the agent has no "
		  "memory agent" },
		{ "[agent.kata.mem_agent]\nmemcg_swap = true", NULL },
		{ "[runtime]\ninternetworking_model = \"none\"", NULL },
		{ "[runtime]\ninternetworking_model = \"macvtap\"", NULL },
		{ "[runtime]\ninternetworking_model = \"l3forwarding\"",
		  "runtime.internetworking_model: \"l3forwarding\" is not supported: only "
		  "\"tcfilter\", \"macvtap\" and \"none\" are supported" },
		{ "[factory]\nenable_template = true",
		  "factory.enable_template: true is not supported: machines are not made from "
		  "templates" },
		{ "[factory]\nvm_cache_number = 2",
		  "factory.vm_cache_number: 2 is not supported: there is no cache of "
		  "machines" },
		{ "[runtime]\nsandbox_cgroup_only = true\nstatic_sandbox_resource_mgmt = true\n"
		  "use_passfd_io = false",
		  NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("[hypervisor.qemu]\n%s\n", cases[i].text);
		struct config *c = load_text(text);
		struct err err = ERR_INIT;

		assert_int_equal(config_supported(c, &err), cases[i].msg ? -EOPNOTSUPP : 0);
		if (cases[i].msg)
			assert_string_equal(err_msg(&err), cases[i].msg);
		config_free(c);
	}
}

/* Keys outside [hypervisor.X] that have an effect, and who tries it. */
static const char *const effective[] = {
	"agent.kata.enable_debug", /* test_kernel_params, as the next ones */
	"agent.kata.log_level",
	"agent.kata.debug_console_enabled",
	"agent.kata.container_pipe_size",
	"agent.kata.cdh_api_timeout",
	"agent.kata.launch_process_timeout",
	"agent.kata.kernel_modules", /* sandbox/test_plan */
	"agent.kata.dial_timeout",   /* integration/sandbox/test_faults, and the next */
	"agent.kata.reconnect_timeout_ms",
	"runtime.name", /* says what is so anyway, as the next two */
	"runtime.hypervisor_name",
	"runtime.agent_name",
	"runtime.enable_debug",		 /* integration/config.bats */
	"runtime.log_level",		 /* test_rust_names */
	"runtime.internetworking_model", /* test_refused_together, and the next */
	"runtime.disable_new_netns",
	"runtime.disable_guest_seccomp", /* sandbox/test_plan, and the next */
	"runtime.guest_selinux_label",
	"runtime.sandbox_cgroup_only",		/* both values mean the same */
	"runtime.static_sandbox_resource_mgmt", /* sandbox/test_load */
	"runtime.sandbox_bind_mounts",		/* sandbox/test_share */
	"runtime.disable_guest_empty_dir",	/* sandbox/test_empty_dir */
	"runtime.create_container_timeout",	/* a limit of the agent's call */
	"runtime.rootfs_writable",		/* integration/images.bats, and the next */
	"runtime.rootfs_writable_mib",
	"runtime.image_cache_mib",
	"runtime.use_passfd_io",     /* of no consequence to anybody */
	"factory.template_path",     /* says nothing without enable_template */
	"factory.vm_cache_endpoint", /* nor does this without vm_cache_number */
};

static bool is_effective(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(effective); i++)
		if (!strcmp(effective[i], name))
			return true;
	/* These say nothing without mem_agent_enable. */
	return str_starts(name, "agent.kata.mem_agent.") && !str_ends(name, "mem_agent_enable");
}

/* A value of the key that is not its default, as TOML. The caller frees. */
static char *other_value(const struct config_key *key)
{
	switch (key->type) {
	case CONFIG_STRING:
		return xasprintf("\"%s\"",
				 key->choices ? key->choices[key->choices[1] ? 1 : 0] : "/other");
	case CONFIG_BOOL:
		return xstrdup(key->unset.boolean ? "false" : "true");
	case CONFIG_LIST:
		return xstrdup("[\"other\"]");
	default:
		return xasprintf("%lld", (long long)(key->max > 7 ? 7 : key->max));
	}
}

/* Every key outside [hypervisor.X] has an effect, is refused or is told to have none. */
static void test_every_key(void **state)
{
	static const char *const sections[] = {
		[SECTION_AGENT] = "agent.kata",
		[SECTION_MEM_AGENT] = "agent.kata.mem_agent",
		[SECTION_RUNTIME] = "runtime",
		[SECTION_FACTORY] = "factory",
	};
	const struct config_key *key;

	(void)state;
	for (key = config_keys; key < config_keys + config_key_count; key++) {
		auto_free char *value = other_value(key), *text = NULL, *name = NULL;
		struct err err = ERR_INIT;
		struct config *c;
		bool effect;

		if (key->section == SECTION_HYPERVISOR || key->alias)
			continue;
		name = xasprintf("%s.%s", sections[key->section], key->name);
		effect = is_effective(name);
		if (!strcmp(name, "runtime.hypervisor_name") ||
		    !strcmp(name, "runtime.disable_new_netns"))
			continue; /* wrong alone */
		text = xasprintf("[hypervisor.qemu]\n[%s]\n%s = %s\n", sections[key->section],
				 key->name, value);
		c = load_text(text);
		if (config_supported(c, &err) < 0) {
			/* One value of this works, another does not. */
			assert_true(!effect || !strcmp(name, "runtime.internetworking_model"));
			assert_true(str_starts(err_msg(&err), name));
		} else if (c->warnings.n > 0) {
			assert_false(effect);
			assert_non_null(strstr(c->warnings.v[0], name));
		} else if (!effect) {
			fail_msg("%s = %s: nobody says what it does", name, value);
		}
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rust_names, config_setup, config_teardown),
		cmocka_unit_test_setup_teardown(test_supported, config_setup, config_teardown),
		cmocka_unit_test_setup_teardown(test_every_key, config_setup, config_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("supported", tests, NULL, NULL);
}
