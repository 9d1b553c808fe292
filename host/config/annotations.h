/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container changes of the configuration for its own sandbox, with the
 * annotations io.katacontainers.config.{hypervisor,runtime,agent}.KEY of its
 * config.json. Names and rules are those of Kata Containers
 * (docs/how-to/how-to-set-sandbox-config-kata.md).
 */
#ifndef HOST_CONFIG_ANNOTATIONS_H
#define HOST_CONFIG_ANNOTATIONS_H

#include "host/config/config.h"

/*
 * Lay @annotations (name, value, name, value, …; all that the container has, in
 * any order) over the loaded @config. Pure: nothing else is looked at.
 *
 * A hypervisor.KEY counts only if one of the regular expressions in
 * enable_annotations matches KEY somewhere, and the path of a program or device
 * only if one of the patterns in its valid_… list matches it; runtime.KEY and
 * agent.KEY always count. More processors than @host_cpus are refused, 0: any
 * number. A KEY that is not known is a warning in config->warnings.
 *
 * 0; -EPERM for what is not allowed, -EOPNOTSUPP for what this version cannot
 * do, -EINVAL for a value that is wrong alone or together with the others. @err
 * names the annotation; @config is then of no use but to config_free().
 */
int config_annotate(struct config *config, const struct strv *annotations, unsigned host_cpus,
		    struct err *err);

#endif
