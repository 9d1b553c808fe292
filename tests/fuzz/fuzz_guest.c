/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent reads in its guest besides calls: the kernel's events, paths of
 * devices, lists of modules, a container's last words, a policy. The first byte
 * chooses.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "guest/agent/module_load.h"
#include "guest/agent/network.h"
#include "guest/agent/policy.h"
#include "guest/agent/sysfs.h"
#include "guest/agent/termination_log.h"
#include "guest/agent/uevent.h"

static void within(const char *part, const char *msg, size_t len)
{
	must(!*part || (part > msg && part + strlen(part) < msg + len));
}

static void fuzz_uevent(const char *data, size_t size)
{
	auto_free char *msg =
		xmalloc(size + 1); /* of its very size, so that reads beyond are seen */
	struct uevent e;

	memcpy(msg, data, size);
	if (!uevent_parse(msg, size, &e))
		return;
	within(e.action, msg, size);
	within(e.devpath, msg, size);
	within(e.subsystem, msg, size);
	within(e.devname, msg, size);
}

static void fuzz_paths(const char *text)
{
	struct net_addr a;
	struct pci_path p;
	uint8_t mac[6];

	if (pci_path_parse(text, &p, NULL) == 0)
		must(p.depth >= 1 && p.depth <= PCI_DEPTH_MAX);
	if (net_addr_parse(text, &a) == 0)
		must(a.prefix <= a.len * 8);
	(void)net_mac_parse(text, mac);
	(void)sysfs_scsi_scan("/nonexistent", text, NULL);
}

/* The first line is the name. */
static void fuzz_modules(char *text)
{
	char *rest = strchr(text, '\n');
	auto_strv struct strv files = { NULL, 0 };

	if (!rest)
		return;
	*rest++ = '\0';
	module_files(rest, text, &files);
	for (size_t i = 0; i < files.n; i++)
		must(*files.v[i]);
}

static void fuzz_words(const uint8_t *data, size_t size)
{
	struct output *out = output_new(3 * size + 1, NULL);

	must(out);
	utf8_lossy(data, size, out);
	must(out->len <= 3 * size && !memchr(out->data, 0, out->len));
	output_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = NULL;

	if (size == 0)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] % 5) {
	case 0:
		fuzz_uevent((const char *)data + 1, size - 1);
		break;
	case 1:
		fuzz_paths(text);
		break;
	case 2:
		fuzz_modules(text);
		break;
	case 3:
		fuzz_words(data + 1, size - 1);
		break;
	default:
		if (policy_set(text, NULL) == 0)
			(void)policy_allows("CreateContainerRequest");
		policy_done();
	}
	return 0;
}
