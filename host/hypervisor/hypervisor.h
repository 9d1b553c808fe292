/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver table: how a sandbox has its virtual machine, whatever monitor
 * runs it. A driver is one const struct hypervisor_ops, found by the name of
 * its configuration table; nobody above asks for that name, only for
 * capabilities. An operation that is NULL is not supported, and the vm_*()
 * functions here, which are the only way in, say so in one place.
 *
 * Everything happens on the caller's loop. A function that begins something
 * returns 0 or fails at once; how it went comes as an event. Events are never
 * delivered from within the call that caused them.
 */
#ifndef HOST_HYPERVISOR_HYPERVISOR_H
#define HOST_HYPERVISOR_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/config/config.h"
#include "host/hypervisor/facts.h"
#include "host/hypervisor/size.h"

enum hypervisor_cap {
	HV_CAP_FS_SHARE = 1 << 0, /* a host directory can be shared (virtio-fs) */
	HV_CAP_BLOCK = 1 << 1,	  /* block devices at boot: vm_spec.disks */
	HV_CAP_BLOCK_HOTPLUG = 1 << 2,
	HV_CAP_NET_HOTPLUG = 1 << 3,
	HV_CAP_CPU_HOTPLUG = 1 << 4,
	HV_CAP_MEM_HOTPLUG = 1 << 5,
	HV_CAP_PAUSE = 1 << 6,
	HV_CAP_LOCAL = 1 << 7,	 /* no machine: the agent is a process of this host, for tests */
	HV_CAP_EMULATE = 1 << 8, /* machines run without KVM, too, if slower */
	HV_CAP_NET = 1 << 9,	 /* networks at boot: vm_spec.nets */
	HV_CAP_TAP_BY_NAME = 1 << 10, /* the monitor opens taps itself: nobody else holds them */
	HV_CAP_VHOST_NET = 1 << 12,   /* takes vm_dev.net.vhost_fds */
	HV_CAP_NET_DEVICE = 1 << 13,  /* takes vm_dev.net.pci from the start */
	HV_CAP_NET_LIMITS = 1 << 11,  /* it knows rx_ and tx_rate_limiter_max_rate itself */
};

/* A device for a machine. */
enum vm_dev_type {
	VM_DEV_DISK,
	VM_DEV_NET,
};

#define VM_MAC_LEN 6

struct vm_dev {
	enum vm_dev_type type;
	const char *id; /* unique in the machine; letters, digits, '-', '_' and '.' */
	union {
		struct {
			const char *path; /* on the host: a block device or a regular file */
			bool read_only;
		} disk;
		struct {
			/* Of a tap interface in vm_spec.netns, made by the sandbox. */
			const char *tap;
			/*
			 * The same interface, opened once for each pair of queues, with
			 * IFF_NO_PI and IFF_VNET_HDR; borrowed. A monitor that opens it by
			 * name itself (HV_CAP_TAP_BY_NAME) gets none.
			 */
			const int *fds;
			size_t n_fds;
			/* As many of /dev/vhost-net (HV_CAP_VHOST_NET), or NULL. */
			const int *vhost_fds;
			uint8_t mac[VM_MAC_LEN]; /* of the guest's interface */
			unsigned mtu;		 /* 0: the guest's default */
			/*
			 * NULL, or no tap is meant but this device of the host's, as a whole
			 * (HV_CAP_NET_DEVICE): "0000:03:00.0", whose driver is vfio-pci.
			 */
			const char *pci;
		} net;
	};
};

/*
 * What is to be built: pure data, planned by the sandbox, borrowed by the
 * driver from vm_new() to vm_free().
 */
struct vm_spec {
	const char *id;	     /* sandbox ID */
	const char *run_dir; /* /run/vc/vm/<id>: exists, 0700, for sockets and pid files; the
					sandbox removes it after vm_free() */
	const struct config *config; /* paths, kernel parameters, everything that is asked for */
	struct vm_size size;	     /* of processors and memory */
	const char *share_dir;	     /* host directory to share with the guest, or NULL */
	const char *share_tag;	     /* its virtio-fs tag */
	const char *kernel_params;   /* what the sandbox adds behind the driver's own parameters */
	/* What it has from the start (HV_CAP_BLOCK), see vm_disk_place(). */
	const struct vm_dev *disks;
	size_t n_disks;
	const struct vm_dev *nets; /* the same for networks (HV_CAP_NET) */
	size_t n_nets;
	/*
	 * The pod's network namespace, in which the taps of nets are; -1: the caller's. The
	 * machine's processes are started in it. Borrowed.
	 */
	int netns;
	/* It is found by the machine's process, which is started in it and has to stay there. */
	bool netns_is_own;
	/*
	 * NULL, or what each process of the machine calls between fork and exec (so system
	 * calls only): into the sandbox's control group. 0 or -errno.
	 */
	int (*enter)(void *arg);
	void *enter_arg;
};

struct vm;

/* Where the guest finds a device, in the words of the agent's protocol. */
enum vm_place_type {
	VM_PLACE_PCI,  /* "02/01": bridge and slot, hexadecimal */
	VM_PLACE_SCSI, /* "0:1": ID and logical unit */
	VM_PLACE_NODE, /* "/dev/vdb" */
};

#define VM_PLACE_MAX 32

struct vm_place {
	enum vm_place_type type;
	char at[VM_PLACE_MAX];
};

/*
 * How it went, once and from the loop: @err NULL for success, otherwise the machine is
 * as it was before. When the machine ends it comes before VM_EXITED; vm_free() drops it.
 */
typedef void (*vm_done)(const struct err *err, void *arg);
typedef void (*vm_plug_done)(const struct err *err, const struct vm_place *place, void *arg);
/* @vcpus and @memory are what the machine has now, also when it is not all that was asked for. */
typedef void (*vm_resize_done)(const struct err *err, unsigned vcpus, uint64_t memory, void *arg);

enum vm_event {
	VM_STARTED, /* the machine executes guest code */
	VM_AGENT,   /* a stream to the agent's port is connected, see vm_take_agent() */
	VM_EXITED,  /* the last event: all processes of the machine have ended and are reaped.
		     * The error says why: a driver's failure, "qemu ended with status 1: …", with
		     * the last lines of the guest's console when it never ran; code 0 after
		     * vm_stop() */
};

/*
 * @err is set (code < 0) for a failed or unexpected VM_EXITED and has code 0
 * otherwise; valid during the call. vm_free() may be called from here.
 */
typedef void (*vm_event_cb)(struct vm *vm, enum vm_event event, const struct err *err, void *arg);

/*
 * Told of each helper process right after it was started and before it can do
 * anything lasting, so that the sandbox's journal on disk knows it: @name is
 * the program's role ("qemu", "virtiofsd"). 0, or a negative errno that makes
 * the start fail.
 */
typedef int (*vm_process_cb)(struct vm *vm, const char *name, pid_t pid, void *arg);

struct hypervisor_ops {
	const char *name; /* the configuration table's: hypervisor.<name> */
	unsigned caps;	  /* HV_CAP_*: what it can do at best, see hypervisor_caps() */
	/* What people know it by; NULL: it is for tests. */
	const struct hypervisor_facts *facts;

	/* Are the programs and files that @config names there and fit? Names the thing in @err. */
	int (*check)(const struct config *config, struct err *err);
	/*
	 * Optional: whether this host has what its machines run on: 0, or -ENOTSUP and a
	 * sentence. Without it they need a usable KVM, unless HV_CAP_EMULATE or _LOCAL.
	 */
	int (*host_check)(struct err *err);
	/* Optional: what it can do with what @config asks for, where that makes a difference. */
	unsigned (*caps_for)(const struct config *config);
	/* Allocate the driver's own part (vm->driver). No effects on the system yet. */
	int (*init)(struct vm *vm, struct err *err);
	/* Begin to start all processes and boot: VM_STARTED or VM_EXITED follows. */
	int (*start)(struct vm *vm, struct err *err);
	/* Begin to connect to the agent; keeps trying as long as the machine
	 * lives: VM_AGENT or VM_EXITED follows. */
	int (*connect)(struct vm *vm, struct err *err);
	/* Begin to end the machine for good, at whatever stage: VM_EXITED follows within 2 s. */
	void (*stop)(struct vm *vm);
	/* Release; processes still there are killed and reaped without an event. */
	void (*free)(struct vm *vm);
	/* The process that stands for the machine; 0 before the start. */
	pid_t (*pid)(const struct vm *vm);
	/* Optional; as vm_pause(), vm_resume(). */
	void (*pause)(struct vm *vm, vm_done done, void *arg);
	void (*resume)(struct vm *vm, vm_done done, void *arg);
	/* Optional. */
	void (*console)(const struct vm *vm, struct str *out);
	void (*address)(const struct vm *vm, struct str *out);
	void (*metrics)(const struct vm *vm, struct str *out);
	/* Optional; as vm_plug(), vm_unplug(), vm_resize(). One at a time is worked on. */
	void (*plug)(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg);
	void (*unplug)(struct vm *vm, const char *id, vm_done done, void *arg);
	void (*resize)(struct vm *vm, unsigned vcpus, uint64_t memory, vm_resize_done done,
		       void *arg);
	/* With HV_CAP_BLOCK; as vm_disk_place(). */
	void (*disk_place)(const struct vm_spec *spec, size_t i, struct vm_place *place);
	/* Optional; as hypervisor_own_dir(). */
	char *(*own_dir)(const struct vm_spec *spec);
	/* Optional; as hypervisor_program(). */
	char *(*program)(const struct config *config);
};

/* Common part; drivers reach it, others use the functions. */
struct vm {
	const struct hypervisor_ops *ops;
	const struct vm_spec *spec;
	struct loop *loop;
	vm_event_cb on_event;
	vm_process_cb on_process;
	void *arg;
	void *driver;
	int agent_fd;	   /* set by the driver before it sends VM_AGENT */
	bool agent_serial; /* agent_fd is a serial link: frames start after a hello */
	struct {
		struct loop_source *src; /* an event on its way */
		struct err err;
	} pending[VM_EXITED + 1];
	bool exited;		     /* VM_EXITED was delivered */
	struct version_ask *version; /* of the program, being asked */
	struct list refusals;	     /* vm.c */
};

/*
 * For drivers: send @event from the loop, in the order of the calls. @err may
 * be NULL and is copied. Calling it again before the event arrived changes
 * nothing; after VM_EXITED nothing else arrives.
 */
void vm_emit(struct vm *vm, enum vm_event event, const struct err *err);

/* For drivers: @done fails with @err, which is known at once, from the loop. */
void vm_refuse(struct vm *vm, const struct err *err, vm_done done, void *arg);
void vm_refuse_plug(struct vm *vm, const struct err *err, vm_plug_done done, void *arg);

/* The driver for the configuration table @name; NULL and @err, which lists those there are. */
const struct hypervisor_ops *hypervisor_find(const char *name, struct err *err);

/*
 * The driver of @config after its check: the first thing a sandbox does.
 * NULL and @err when it is unknown or something that it needs is missing.
 */
const struct hypervisor_ops *hypervisor_for(const struct config *config, struct err *err);

/* What it can do with the machine that @config asks for. */
unsigned hypervisor_caps(const struct hypervisor_ops *ops, const struct config *config);

/*
 * Whether this host can run the machines of @config, whose check() is done: 0, or -ENOTSUP
 * and why not. May measure KVM, see kvm_probe().
 */
int hypervisor_check_host(const struct hypervisor_ops *ops, const struct config *config,
			  struct err *err);

/*
 * The program that runs the machines of @config: what the configuration says, or where
 * the driver finds its own. Also when there is no driver. The caller frees.
 */
char *hypervisor_program(const struct config *config);

/*
 * A directory that the machine of @spec needs beside its run directory, where the driver's
 * program wants it; NULL: none. The sandbox makes it, 0700, before vm_start(), and removes
 * it after vm_free() with all that the driver has mounted in it. The caller frees.
 */
char *hypervisor_own_dir(const struct hypervisor_ops *ops, const struct vm_spec *spec);

/* Make a machine that is not running. @spec and @arg are borrowed until vm_free(). */
struct vm *vm_new(const struct hypervisor_ops *ops, const struct vm_spec *spec, struct loop *loop,
		  vm_event_cb on_event, vm_process_cb on_process, void *arg, struct err *err);
void vm_free(struct vm *vm);

int vm_start(struct vm *vm, struct err *err);
int vm_connect(struct vm *vm, struct err *err);
void vm_stop(struct vm *vm);
pid_t vm_pid(const struct vm *vm);

/*
 * Let the whole machine rest, its processors and its devices, and let it go on
 * (HV_CAP_PAUSE). What rests already and what goes on already succeeds. The agent does not
 * answer meanwhile: pausing a container is another thing, and the agent's.
 */
void vm_pause(struct vm *vm, vm_done done, void *arg);
void vm_resume(struct vm *vm, vm_done done, void *arg);

/* Where the guest finds the @i-th of the disks that it has from the start. */
void vm_disk_place(const struct vm *vm, size_t i, struct vm_place *place);

/*
 * Add a device to the running machine (HV_CAP_BLOCK_HOTPLUG), @dev being borrowed during
 * the call; take it away again. The guest has a few seconds to let go of it: -ETIMEDOUT,
 * and it stays.
 */
void vm_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg);
void vm_unplug(struct vm *vm, const char *id, vm_done done, void *arg);

/*
 * Give the running machine @vcpus processors and @memory MiB (HV_CAP_CPU_HOTPLUG,
 * HV_CAP_MEM_HOTPLUG). More than it can have fails, for memory; processors end at the
 * most. What the guest does not give back it keeps. The guest has to take what is new
 * into use (the agent's OnlineCPUMem).
 */
void vm_resize(struct vm *vm, unsigned vcpus, uint64_t memory, vm_resize_done done, void *arg);

/*
 * Append the last lines that the guest wrote to its console, cleaned of control
 * characters and joined by " | "; nothing when it wrote none. The caller that
 * gives up on a silent agent puts them into its error before vm_stop(); a
 * VM_EXITED before VM_AGENT has them already.
 */
void vm_console(const struct vm *vm, struct str *out);

/*
 * Append where the ports in the guest are reached from outside, "vsock://CID" or
 * "hvsock://PATH"; "unix://PATH" where there is nothing but a serial link to the guest's
 * debug console; nothing when there is not even that.
 */
void vm_address(const struct vm *vm, struct str *out);

/* Append what the monitor counts by itself, as families of Prometheus; for most that is nothing. */
void vm_metrics(const struct vm *vm, struct str *out);

/*
 * After VM_AGENT: hands over the descriptor of the stream to the agent (the
 * caller closes it) and says in *@serial whether it is a serial link
 * (ttrpc/serial.h). -1 when there is none.
 */
int vm_take_agent(struct vm *vm, bool *serial);

#endif
