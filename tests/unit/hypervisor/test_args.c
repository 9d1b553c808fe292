/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "host/hypervisor/qemu/args.h"

/* A configuration with these lines in [hypervisor.qemu]. */
static struct config *config_with(const char *lines)
{
	char path[] = "/tmp/hypervisor-test-XXXXXX.toml";
	auto_free char *text = xasprintf("[hypervisor.qemu]\n"
					 "path = \"/bin/qemu\"\n"
					 "kernel = \"/k/vmlinux\"\n"
					 "initrd = \"/k/initrd\"\n"
					 "image = \"\"\n"
					 "default_memory = 256\n%s\n",
					 lines);
	auto_close int fd = mkstemps(path, 5);
	struct err err = ERR_INIT;
	struct config *c;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	c = config_load(path, &err);
	unlink(path);
	if (!c)
		fail_msg("%s", err_msg(&err));
	return c;
}

static const struct qemu_facts tcg = {
	.tsc_khz = 2600000,
	.qmp_fd = 3,
	.console_fd = 4,
	.log_fd = 5,
	.agent_fd = 6,
	.fs_fd = 7,
	.vsock_fd = -1,
	.memory_fd = -1,
};

/* The arguments, joined as a shell would read them. The caller frees. */
static char *built(const char *lines, const struct qemu_facts *facts, const char *params)
{
	struct config *c = config_with(lines);
	struct vm_spec spec = {
		.id = "x",
		.run_dir = "/run/x",
		.config = c,
		.size = { .vcpus = 1, .max_vcpus = 1, .memory = 256, .max_memory = 256 },
		.share_tag = "tag",
		.kernel_params = params,
	};
	auto_strv struct strv argv = { 0 };
	struct str line = STR_INIT;

	qemu_args(&spec, facts, &argv);
	qemu_args_quote(&argv, &line);
	config_free(c);
	return str_take(&line);
}

static void microvm_on_tcg(void **state)
{
	auto_free char *line =
		built("machine_type = \"microvm\"\ncpu_features = \"\"\n", &tcg, "agent.x=1");

	(void)state;
	assert_string_equal(
		line,
		"/bin/qemu -name sandbox-x "
		"-object memory-backend-memfd,share=on,id=mem,size=256M -m 256M "
		"-machine microvm,accel=tcg,acpi=on,rtc=on,x-option-roms=off,memory-backend=mem "
		"-global virtio-mmio.force-legacy=false -cpu max,-erms,-fsrm -smp 1 "
		"-nodefaults -no-user-config -no-reboot -display none "
		"-chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control "
		"-chardev socket,id=console,fd=4 -serial chardev:console "
		"-device virtio-serial-device,id=serial "
		"-chardev socket,id=agent,fd=6,server=on,wait=off "
		"-device virtserialport,chardev=agent,id=agent,name=org.kata-c.agent.0 "
		"-chardev socket,id=log,fd=5 "
		"-device virtserialport,chardev=log,id=log,name=org.kata-c.log.0 "
		"-chardev socket,id=fs,fd=7 "
		"-device vhost-user-fs-device,chardev=fs,tag=tag,queue-size=1024 "
		"-object rng-random,id=rng,filename=/dev/urandom "
		"-device virtio-rng-device,rng=rng "
		"-kernel /k/vmlinux -initrd /k/initrd -append "
		"'tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=t "
		"panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on console=ttyS0 "
		"tsc_early_khz=2600000 quiet selinux=0 agent.x=1'");
}

/* As many network cards as that in a machine of the type: does it fit? */
static int fits(const char *type, size_t cards, struct err *err)
{
	static const int fd = 9;
	auto_free char *lines = xasprintf("machine_type = \"%s\"\n", type);
	struct config *c = config_with(lines);
	struct vm_dev nets[64];
	struct vm_spec spec = {
		.id = "x",
		.run_dir = "/run/x",
		.config = c,
		.size = { .vcpus = 1, .max_vcpus = 1, .memory = 64, .max_memory = 64 },
		.share_tag = "tag",
		.nets = nets,
		.n_nets = cards
	};
	auto_strv struct strv argv = { 0 };
	int r;

	for (size_t i = 0; i < cards; i++)
		nets[i] = (struct vm_dev){ .type = VM_DEV_NET,
					   .id = "n",
					   .net = { .fds = &fd, .n_fds = 1 } };
	qemu_args(&spec, &tcg, &argv);
	r = qemu_args_fit(&spec, &argv, err);
	config_free(c);
	return r;
}

static void more_cards_than_places(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	/* The serial ports, the shared directory, random numbers. */
	assert_int_equal(fits("microvm", 21, &err), 0);
	assert_int_equal(fits("microvm", 22, &err), -ENOSPC);
	assert_string_equal(err_msg(&err),
			    "a machine of type microvm has room for 24 devices, and this one would "
			    "have 25, of which 22 are network cards");
	/* The same and a bridge. */
	assert_int_equal(fits("q35", 26, &err), 0);
	assert_int_equal(fits("q35", 27, &err), -ENOSPC);
	assert_int_equal(fits("pc", 26, &err), 0);
	assert_int_equal(fits("pc", 27, &err), -ENOSPC);
}

static void a_card_of_the_host(void **state)
{
	static const int fd = 9;
	struct config *c = config_with("machine_type = \"q35\"\npcie_root_port = 1\n"
				       "cold_plug_vfio = \"root-port\"\n");
	const struct vm_dev nets[] = {
		{ .type = VM_DEV_NET, .id = "network-0", .net = { .fds = &fd, .n_fds = 1 } },
		{ .type = VM_DEV_NET, .id = "network-1", .net = { .pci = "0000:03:00.0" } },
	};
	struct vm_spec spec = {
		.id = "x",
		.run_dir = "/run/x",
		.config = c,
		.size = { .vcpus = 1, .max_vcpus = 1, .memory = 64, .max_memory = 64 },
		.share_tag = "tag",
		.nets = nets,
		.n_nets = 2
	};
	auto_strv struct strv argv = { 0 };
	auto_str struct str line = STR_INIT;

	(void)state;
	qemu_args(&spec, &tcg, &argv);
	qemu_args_quote(&argv, &line);
	assert_non_null(
		strstr(str_text(&line),
		       " -device pcie-root-port,bus=pcie.0,id=network-1-port,chassis=6,slot=6 "
		       "-device vfio-pci,host=0000:03:00.0,id=network-1,bus=network-1-port "));
	assert_null(strstr(str_text(&line), "netdev=network-1"));
	config_free(c);
}

static void q35_on_kvm_with_vsock(void **state)
{
	struct qemu_facts f = tcg;
	auto_free char *line = NULL;

	(void)state;
	f.kvm = true;
	f.agent_fd = f.fs_fd = -1;
	f.vsock_fd = 8;
	f.cid = 77;
	line = built("machine_type = \"q35\"\ncpu_features = \"pmu=off\"\n"
		     "machine_accelerators = \"kvm,smm=off\"\n"
		     "enable_debug = true\nkernel_params = \"a=b\"\nfirmware = \"/f\"\n",
		     &f, NULL);
	assert_non_null(strstr(line, " -machine q35,accel=kvm,smm=off,vmport=off,hpet=off,sata=off,"
				     "smbus=off,smm=off -cpu host,pmu=off "));
	assert_non_null(strstr(line, " -device virtio-serial-pci,id=serial "));
	assert_non_null(strstr(line, " -device vhost-vsock-pci,id=vsock,vhostfd=8,guest-cid=77 "));
	assert_non_null(strstr(line, " -device virtio-rng-pci,rng=rng "));
	assert_non_null(strstr(line, " -bios /f "));
	assert_non_null(strstr(line, " a=b'"));
	/* Neither what the machine lacks nor what only TCG needs; debug is not quiet. */
	assert_null(strstr(line, "memory-backend"));
	assert_null(strstr(line, "agent"));
	assert_null(strstr(line, "vhost-user"));
	assert_null(strstr(line, "tsc_early_khz"));
	assert_null(strstr(line, "quiet"));
	assert_null(strstr(line, "force-legacy"));
}

static void memory_that_is_handed_over(void **state)
{
	struct qemu_facts f = tcg;
	auto_free char *line = NULL;

	(void)state;
	f.memory_fd = 9;
	line = built("machine_type = \"q35\"\n", &f, NULL);
	assert_non_null(strstr(line, " -object memory-backend-file,mem-path=/proc/self/fd/9,"
				     "align=2097152,share=on,id=mem,size=256M -m 256M"));
}

static void a_serial_line_to_the_debug_console(void **state)
{
	static const char device[] = "name=org.kata-c.console.0";
	struct qemu_facts f = tcg;
	auto_free char *off = built("", &f, NULL), *on = NULL, *vsock = NULL;

	(void)state;
	assert_null(strstr(off, device));
	on = built("[agent.kata]\ndebug_console_enabled = true\n", &f, NULL);
	assert_non_null(strstr(
		on, "-chardev socket,id=debug,path=/run/x/debug-console.sock,server=on,wait=off "
		    "-device virtserialport,chardev=debug,id=debug,name=org.kata-c.console.0 "));
	f.vsock_fd = 8;
	vsock = built("[agent.kata]\ndebug_console_enabled = true\n", &f, NULL);
	assert_null(strstr(vsock, device));
}

static void commas_in_values_are_doubled(void **state)
{
	auto_free char *line = built("entropy_source = \"/dev/a,b\"\n", &tcg, NULL);

	(void)state;
	assert_non_null(strstr(line, "filename=/dev/a,,b "));
}

static void accelerators_force(void **state)
{
	static const struct {
		const char *value;
		int want;
	} cases[] = { { "", -1 },	  { "tcg", 0 },		{ "kvm", 1 },
		      { "accel=tcg", 0 }, { "smm=off,kvm", 1 }, { "nokvm", -1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *line = xasprintf("machine_accelerators = \"%s\"\n", cases[i].value);
		struct config *c = config_with(line);

		assert_int_equal(qemu_forced_kvm(c), cases[i].want);
		config_free(c);
	}
}

static void quoting_survives_a_shell(void **state)
{
	auto_strv struct strv argv = { 0 };
	auto_str struct str line = STR_INIT;

	(void)state;
	strv_add(&argv, "plain");
	strv_add(&argv, "it's");
	strv_add(&argv, "");
	strv_add(&argv, "$(x) \"y\"");
	qemu_args_quote(&argv, &line);
	assert_string_equal(str_text(&line), "plain 'it'\\''s' '' '$(x) \"y\"'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(microvm_on_tcg),
		cmocka_unit_test(more_cards_than_places),
		cmocka_unit_test(a_card_of_the_host),
		cmocka_unit_test(q35_on_kvm_with_vsock),
		cmocka_unit_test(memory_that_is_handed_over),
		cmocka_unit_test(a_serial_line_to_the_debug_console),
		cmocka_unit_test(commas_in_values_are_doubled),
		cmocka_unit_test(accelerators_force),
		cmocka_unit_test(quoting_survives_a_shell),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu args", tests, NULL, NULL);
}
