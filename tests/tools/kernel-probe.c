/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel-probe: asks the kernel for what a shell cannot ask it for. Prints the
 * name of each thing that is not there; status 1 when there is any. Needs root
 * and, for device rules, a control group of version 2 at /sys/fs/cgroup.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool valid(long fd)
{
	if (fd < 0)
		return false;
	close((int)fd);
	return true;
}

/* In a process of its own: what it does to itself stays there. */
static bool in_child(bool (*f)(long arg), long arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(!f(arg));
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool do_unshare(long flag)
{
	return unshare((int)flag) == 0;
}

static bool has_namespaces(void)
{
	static const int
		flags[] = { CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,	  CLONE_NEWNS,
			    CLONE_NEWUTS,  CLONE_NEWIPC, CLONE_NEWCGROUP, 0x80 /* time */ };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!in_child(do_unshare, flags[i]))
			return false;
	return true;
}

/* All of seccomp's actions are known, and a filter is taken. */
static bool has_seccomp(void)
{
	static const uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_TRAP,
					    SECCOMP_RET_ERRNO,	      SECCOMP_RET_USER_NOTIF,
					    SECCOMP_RET_TRACE,	      SECCOMP_RET_LOG,
					    SECCOMP_RET_ALLOW };
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]) < 0)
			return false;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

/* A device rule of a control group: a program that allows all, loaded and attached. */
static bool has_device_rules(void)
{
	const struct bpf_insn allow[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
				.insn_cnt = 2,
				.insns = (uintptr_t)allow,
				.license = (uintptr_t) "Apache-2.0" };
	int group = open("/sys/fs/cgroup", O_DIRECTORY | O_CLOEXEC);
	int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	union bpf_attr attach = { .attach_bpf_fd = (uint32_t)program,
				  .target_fd = (uint32_t)group,
				  .attach_type = BPF_CGROUP_DEVICE };

	return group >= 0 && program >= 0 &&
	       syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) == 0;
}

/* The table is made by asking for it. */
static bool has_iptables(void)
{
	static const char *const tables[] = { "filter", "nat", "mangle", "raw" };
	int v4 = socket(AF_INET, SOCK_RAW, IPPROTO_RAW),
	    v6 = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct ipt_getinfo info4 = { 0 };
		struct ip6t_getinfo info6 = { 0 };
		socklen_t n4 = sizeof(info4), n6 = sizeof(info6);

		strncpy(info4.name, tables[i], sizeof(info4.name) - 1);
		strncpy(info6.name, tables[i], sizeof(info6.name) - 1);
		if (getsockopt(v4, IPPROTO_IP, IPT_SO_GET_INFO, &info4, &n4) < 0 ||
		    getsockopt(v6, IPPROTO_IPV6, IP6T_SO_GET_INFO, &info6, &n6) < 0)
			return false;
	}
	return true;
}

/* nft: its generation can be asked for. */
static bool has_nftables(void)
{
	struct {
		struct nlmsghdr nl;
		struct nfgenmsg nf;
	} ask = { .nl = { .nlmsg_len = sizeof(ask),
			  .nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN,
			  .nlmsg_flags = NLM_F_REQUEST } };
	union {
		struct nlmsghdr nl;
		char bytes[512];
	} reply;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd >= 0 && send(fd, &ask, sizeof(ask), 0) == sizeof(ask) &&
	       recv(fd, &reply, sizeof(reply), 0) > (ssize_t)sizeof(reply.nl) &&
	       reply.nl.nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN);
}

static bool has_io_uring(void)
{
	struct io_uring_params p = { 0 };

	return valid(syscall(SYS_io_uring_setup, 4, &p));
}

static bool has_ipc(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };

	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) >= 0 &&
	       mq_open("/probe", O_CREAT | O_RDWR, 0600, &attr) != (mqd_t)-1;
}

static bool has_notify(void)
{
	return valid(inotify_init1(0)) && valid(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY));
}

static bool has_memory(void)
{
	return valid(memfd_create("probe", 0)) && valid(memfd_create("probe", MFD_HUGETLB)) &&
	       syscall(SYS_membarrier, 0, 0, 0) > 0;
}

/* keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, create) */
static bool has_keys(void)
{
	return syscall(SYS_keyctl, 0, -3, 1) > 0;
}

static bool has_vsock(void)
{
	return valid(socket(AF_VSOCK, SOCK_STREAM, 0));
}

#ifdef __x86_64__
static bool call_32(long arg)
{
	long pid = arg;

	/* getpid() of the 32-bit system calls */
	__asm__ volatile("int $0x80" : "+a"(pid)::"memory", "r8", "r9", "r10", "r11");
	return pid == getpid();
}
#endif

static bool has_32_bits(void)
{
#ifdef __x86_64__
	return in_child(call_32, 20);
#else
	return true;
#endif
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*has)(void);
	} probes[] = {
		{ "namespaces", has_namespaces },
		{ "seccomp", has_seccomp },
		{ "device rules", has_device_rules },
		{ "iptables", has_iptables },
		{ "nftables", has_nftables },
		{ "io_uring", has_io_uring },
		{ "System V and POSIX ipc", has_ipc },
		{ "inotify, fanotify", has_notify },
		{ "memfd, membarrier", has_memory },
		{ "keys", has_keys },
		{ "vsock", has_vsock },
		{ "32-bit programs", has_32_bits },
	};
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		errno = 0;
		if (probes[i].has())
			continue;
		printf("no %s: %s\n", probes[i].name, strerror(errno));
		status = EXIT_FAILURE;
	}
	return status;
}
