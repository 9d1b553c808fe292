/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's command line, for people and for the driver: parsed into what it says,
 * nothing opened. All strings are pieces of argv or of the copies made here, valid until
 * the process ends. Where a name of a file or socket stands, "fd:N" names an inherited
 * descriptor; see open.h.
 */
#ifndef VMM_CMDLINE_H
#define VMM_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CMDLINE_DEVICES_MAX 32 /* of each kind; the machine's lines are fewer */

struct cmdline_disk { /* FILE[,id=][,ro][,direct][,no-flush][,iops=][,bps=] */
	const char *file, *id;
	bool read_only, direct, no_flush;
	uint64_t iops, bps; /* operations and bytes per second; 0: no limit */
};

struct cmdline_net {	 /* tap=NAME|fd=N[,id=][,mac=][,mtu=][,rx-bps=][,tx-bps=] */
	const char *tap; /* NULL: an open tap, fd */
	int fd;
	const char *id;
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu;		 /* 0: as the driver likes */
	uint64_t rx_bps, tx_bps; /* bytes per second; 0: no limit */
};

struct cmdline_fs { /* SOCKET,tag=T[,id=][,queue-size=] */
	const char *socket, *tag, *id;
	uint16_t queue_size; /* 0: the device's own choice */
};

struct cmdline {
	bool help, version;

	const char *kernel, *initrd, *line;
	const char *kvm; /* the device */
	uint64_t memory_mib;
	unsigned cpus;
	bool shared_memory, no_acpi, debug, keep_netns, no_jail, no_seccomp;
	const char *id;	     /* of the sandbox, in log lines */
	const char *control; /* an inherited or connected socket */
	const char *console; /* "none", "stdio", "unix:PATH", FILE */

	unsigned n_disks, n_nets, n_filesystems;
	struct cmdline_disk disk[CMDLINE_DEVICES_MAX];
	struct cmdline_net net[CMDLINE_DEVICES_MAX];
	struct cmdline_fs fs[CMDLINE_DEVICES_MAX];
	const char *vsock; /* the host side's socket */
	uint32_t vsock_cid;
	bool rng, balloon, balloon_reporting;
	uint64_t balloon_mib;
};

/*
 * Parse; argv is changed and kept. -EINVAL and @err for whatever is not understood, is
 * missing or out of its limits.
 */
int cmdline_parse(struct cmdline *c, int argc, char **argv, struct err *err);

/* The descriptors that the names are; @fds has room for CMDLINE_FDS_MAX. Returns how many. */
#define CMDLINE_FDS_MAX (6 + 3 * CMDLINE_DEVICES_MAX)
unsigned cmdline_fds(const struct cmdline *c, int fds[CMDLINE_FDS_MAX]);

/* All options, for --help. */
extern const char cmdline_usage[];

#endif
