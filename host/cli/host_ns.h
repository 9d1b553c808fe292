/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces of the host, in which nothing within a machine can be. */
#ifndef HOST_CLI_HOST_NS_H
#define HOST_CLI_HOST_NS_H

#include "base/err.h"
#include "proto/oci.pb-c.h"

/*
 * Refuse, with -EOPNOTSUPP and a sentence on what to do instead, a container that is to live in
 * the network, processes or IPC of the host: there is no such namespace in @spec, or it leads to
 * the caller's own. With @net the network may be the host's: the configuration says that who
 * made it cares for it (disable_new_netns).
 *
 * And a cgroup, user or time namespace by a path that leads to none: -EINVAL, or what opening
 * it gave. These are the guest's; nothing on the host enters them.
 */
int host_ns_check(const Grpc__Spec *spec, bool net, struct err *err);

#endif
