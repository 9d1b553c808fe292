/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's annotations, one a line as NAME=VALUE, laid over a configuration
 * that allows all of them. The first byte chooses the hypervisor.
 */
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "host/config/annotations.h"
#include "host/config/keys.h"

static struct config *make(unsigned char choice)
{
	static const char *const names[] = { "qemu",	   "clh",  "firecracker", "dragonball",
					     "stratovirt", "acrn", "fake" };
	const char *name = names[choice % ARRAY_SIZE(names)];
	struct config *c = xcalloc(1, sizeof(*c));

	c->path = xstrdup("/c.toml");
	c->hypervisor.name = xstrdup(name);
	config_set_defaults(c, config_hypervisor_bit(name));
	strv_add(&c->hypervisor.enable_annotations, ".");
	strv_add(&c->hypervisor.valid_hypervisor_paths, "/usr/*/qemu-[a-z]*");
	strv_add(&c->hypervisor.valid_virtio_fs_daemon_paths, "/usr/libexec/virtiofsd");
	strv_add(&c->hypervisor.valid_entropy_sources, "/dev/*random");
	config_settle(c);
	return c;
}

static void split(const char *text, struct strv *annotations)
{
	auto_free char *copy = xstrdup(text);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(line, '=');

		if (!eq)
			continue;
		*eq = '\0';
		strv_add(annotations, line);
		strv_add(annotations, eq + 1);
	}
}

/* Nothing that follows the configuration meets a value that no file could have. */
static void check(const struct config *c)
{
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		const void *member = (const char *)c + key->offset;

		if (key->alias)
			continue;
		if (key->type == CONFIG_STRING)
			must(*(char *const *)member);
		if (key->type == CONFIG_INTEGER)
			must(*(const int64_t *)member >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_strv struct strv annotations = { NULL, 0 };
	auto_str struct str params = STR_INIT;
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	struct config *c;

	if (size == 0)
		return 0;
	text = xstrndup((const char *)data + 1, size - 1);
	c = make(data[0]);
	split(text, &annotations);
	if (config_annotate(c, &annotations, 4, &err) == 0) {
		check(c);
		config_kernel_params(c, &params);
		if (config_supported(c, &err))
			must(err.code < 0 && *err_msg(&err));
	} else {
		must(err.code < 0 && *err_msg(&err));
	}
	config_free(c);
	return 0;
}
