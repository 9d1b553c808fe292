#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A policy for checkpolicy(8) that knows a container's types and forbids nothing: the guest's
kernel takes labels only when one is loaded, and only those that it knows."""

# In the kernel's order, which is all that binds them to their numbers.
SIDS = """kernel security unlabeled fs file file_labels init any_socket port netif netmsg node
igmp_packet icmp_socket tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net
sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet devnull""".split()

print("class process\nclass process2\nclass file")
for sid in SIDS:
    print("sid", sid)
print("""\
class process { transition dyntransition }
class process2 { nnp_transition nosuid_transition }
class file { entrypoint }
sensitivity s0;
dominance { s0 }
category c0;
category c1;
level s0:c0.c1;
mlsconstrain file { entrypoint } (h1 dom h2);
policycap nnp_nosuid_transition;
type kernel_t;
type container_t;
type container_file_t;
role system_r;
role system_r types { kernel_t container_t };
allow kernel_t container_t:process transition;
user system_u roles { system_r } level s0 range s0 - s0:c0.c1;""")
for sid in SIDS:
    print(f"sid {sid} system_u:system_r:kernel_t:s0")
print("fs_use_trans tmpfs system_u:object_r:container_file_t:s0;")
