/* SPDX-License-Identifier: Apache-2.0 */
/* What network.c, network_sync.c and network_tell.c share. */
#ifndef HOST_SANDBOX_NETWORK_PARTS_H
#define HOST_SANDBOX_NETWORK_PARTS_H

#include "host/network/plan.h"
#include "host/network/watch.h"
#include "host/network/wire.h"
#include "host/sandbox/network.h"

/* What the agent was told of something. */
struct net_told {
	struct str wire; /* last, as it was sent; empty: nothing */
	unsigned round;	 /* when */
	bool unsure;	 /* no good answer has come: the guest has it, or not */
};

/* A network card of the machine. */
struct nic {
	char *id;
	struct net_tap tap;
	int index;			/* of the interface; 0: it has none */
	char name[IFNAMSIZ];		/* of that */
	uint8_t mac[NET_MAC_LEN];	/* that the guest's has now */
	char pci[PHYSICAL_ADDRESS_MAX]; /* the device that it is; "": one of the machine's own */
	bool own;			/* the tap was made for it, and goes with it */
	bool plugged;			/* while the machine ran: it can be taken away */
	char place[VM_PLACE_MAX];	/* PCI path in the guest of what was plugged in, or "" */
	struct net_told told;
};

struct network {
	struct sandbox *sb;
	int netns;
	bool own; /* the namespace is the machine's alone */
	char *dir;
	struct net_wishes wishes;
	struct net_journal journal;
	struct net_wire wire;
	struct nic **nics;
	size_t n;
	unsigned count; /* of cards that there ever were */
	struct vm_dev *devs;
	struct net_watch *watch;
	bool no_vhost;	    /* which was told */
	struct strv warned; /* of what people know already */

	/* What is to be, and how far it has come (network_sync.c). */
	struct net_plan plan;
	struct net_plan kept; /* of interfaces whose devices are the machine's */
	bool *failed;	      /* for each of its endpoints */
	struct net_told told_routes, told_neighbours;
	struct net_told *telling; /* of which the answer is awaited */
	unsigned round;		  /* how many there were */
	bool running, again, settled;
	bool untold; /* an answer was missing in this round */
	unsigned tries;
	struct loop_source *retry; /* for its sake there is another one */
	struct err err;		   /* the first failure of this round */
	struct list waiters;
	struct loop_source *clearing; /* the child that undoes it (network_clear.c) */
	pid_t clearer;
};

/* Scan and plan anew: net->plan. Tells what cannot be carried, once. */
int network_look(struct network *net, struct err *err);

struct nic *network_add_nic(struct network *net);
void network_remove_nic(struct network *net, struct nic *nic);

/* The machine's end for @e, joined. */
int network_open_nic(struct network *net, struct nic *nic, const struct net_endpoint *e,
		     struct err *err);

/* From now on it is that of @e. */
void network_take(struct nic *nic, const struct net_endpoint *e);

void network_describe(const struct nic *nic, unsigned mtu, struct vm_dev *dev);

/* Undo on the host all that was done to the link @name. */
void network_undo_link(struct network *net, const char *name);

/* ---- network_sync.c ------------------------------------------------------------------ */

/* What the interface of @nic is now; NULL: it has gone. */
struct net_endpoint *network_endpoint_of(const struct network *net, const struct nic *nic);

/* The first failure of a round is what it ends with. */
void network_keep(struct network *net, const struct err *err);

/* The next step of the round: the answer to the last one is there. */
void network_advance(struct network *net);

/* ---- network_tell.c: true when network_advance() is to come ------------------------- */

bool network_tell_interfaces(struct network *net);
bool network_tell_routes(struct network *net);
bool network_tell_neighbours(struct network *net);

#endif
