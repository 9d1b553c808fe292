/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line, as the agent reads it. */
#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "guest/agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	struct agent_config config;

	config_init(&config);
	config_cmdline(&config, text);
	must(config.pipe_size >= 0);
	config_done(&config);
	return 0;
}
