/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/cli/capable.h"
#include "host/cli/cli.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"

static struct {
	bool version_only, all_releases, list_releases, no_network, strict, verbose;
} opt;

static const struct flag flags[] = {
	{ "check-version-only", NULL, FLAG_BOOL, &opt.version_only, NULL,
	  "accepted; releases are not looked up" },
	{ "include-all-releases", NULL, FLAG_BOOL, &opt.all_releases, NULL,
	  "accepted; releases are not looked up" },
	{ "only-list-releases", NULL, FLAG_BOOL, &opt.list_releases, NULL,
	  "accepted; releases are not looked up" },
	{ "no-network-checks", "n", FLAG_BOOL, &opt.no_network, NULL,
	  "accepted; nothing here uses the network" },
	{ "strict", "s", FLAG_BOOL, &opt.strict, NULL,
	  "fail also when the configuration or what it names is not fit" },
	{ "verbose", "v", FLAG_BOOL, &opt.verbose, NULL, "show the configured files too" },
	{ 0 },
};

static void tell_kvm(const struct capable *host)
{
	const struct kvm_probe *kvm = &host->kvm;

	printf("KVM: %s: %s\n", kvm->usable ? "usable" : "not usable", kvm->reason);
	if (kvm->usable)
		return;
	if (host->emulator)
		printf("     used instead, by QEMU alone: software emulation (%s), which is slower\n",
		       host->emulator);
	else
		puts("     nothing can be used instead: QEMU, for software emulation, is not on "
		     "PATH");
}

static void tell_vhost(const struct capable *host)
{
	printf("vhost-vsock: %s\n",
	       host->vhost_vsock ? "usable" :
				   "not usable; the agent is reached by virtio-serial instead");
	printf("vhost-net: %s\n",
	       host->vhost_net ? "usable" :
				 "not usable; the hypervisor moves network packets instead");
}

static void tell_file(const char *what, const char *path)
{
	if (path[0])
		printf("%s: %s: %s\n", what, path, access(path, R_OK) == 0 ? "there" : "missing");
}

/* What is configured, and whether a sandbox could start with it: 0, or -errno and @err. */
static int tell_configuration(const struct cli *cli, struct err *err)
{
	struct config *config = config_load(cli->config, err);
	const struct hypervisor_ops *driver;

	if (!config) {
		printf("configuration: none that can be used: %s\n", err_msg(err));
		return err->code;
	}
	printf("configuration: %s, hypervisor %s\n", config->path, config->hypervisor.name);
	for (size_t i = 0; i < config->warnings.n; i++)
		cli_warn("%s", config->warnings.v[i]);
	if (opt.verbose) {
		auto_free char *program = hypervisor_program(config);

		tell_file("hypervisor", program);
		tell_file("virtiofsd", config->hypervisor.virtio_fs_daemon);
		tell_file("kernel", config->hypervisor.kernel);
		tell_file("initrd", config->hypervisor.initrd);
		tell_file("image", config->hypervisor.image);
	}
	driver = hypervisor_for(config, err);
	if (driver && hypervisor_check_host(driver, config, err) < 0)
		driver = NULL;
	if (driver)
		puts("     its hypervisor and the files that it names are there");
	else
		printf("     no sandbox can start with it: %s\n", err_msg(err));
	config_free(config);
	return driver ? 0 : err->code;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct err why = ERR_INIT;
	struct capable host;
	bool capable;
	int r;

	(void)argc;
	(void)argv;
	if (opt.version_only || opt.list_releases || opt.all_releases) {
		puts("Releases are not looked up; `kata-runtime version` shows what is installed.");
		if (opt.version_only || opt.list_releases)
			return 0;
	}
	capable_look(&host);
	tell_kvm(&host);
	tell_vhost(&host);
	capable = host.capable;
	r = tell_configuration(cli, &why);
	capable_free(&host);
	if (!capable) {
		fputs("ERROR: System is not capable of running Kata Containers\n", stderr);
		return 1;
	}
	puts("System is capable of running Kata Containers");
	if (r < 0 && opt.strict)
		return err_set(err, why.code, "%s", why.msg);
	if (r == 0 && geteuid() == 0)
		puts("System can currently create Kata Containers");
	return 0;
}

const struct command cmd_check = {
	.name = "check",
	.alias = "kata-check",
	.args = "[options]",
	.help = "tell whether and how this host can run containers in virtual machines",
	.flags = flags,
	.max_args = 0,
	.run = run,
};
