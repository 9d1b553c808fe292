/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining an interface with a tap, and undoing it. Each step that outlives this process is
 * told to a journal before it is done, in words that net_undo() understands: so the end of
 * a sandbox and `delete` after a shim that was killed do the same.
 */
#ifndef HOST_NETWORK_WIRE_H
#define HOST_NETWORK_WIRE_H

#include "host/network/physical.h"
#include "host/network/tap.h"

struct net_journal {
	/* Write @entry down, for good; 0 or an error, which stops what was to be done. */
	int (*note)(void *arg, const char *entry, struct err *err);
	/* It was not done, or is undone. */
	void (*forget)(void *arg, const char *entry);
	void *arg;
};

struct net_wire {
	int netns;
	bool by_name;	  /* the machine opens taps by their names: no descriptors */
	const char *dir;  /* an empty directory of ours */
	uint64_t rx_bits; /* limits of what the guest gets and sends, each second; 0: none */
	uint64_t tx_bits;
	const struct net_journal *journal;
};

/*
 * Make the machine's end for @e: a tap of its own under the name tapN_kata, N from @first
 * on, or the interface itself. Nothing is joined yet. @e NULL: a tap for an interface that
 * is to come.
 */
int net_wire_open(const struct net_wire *w, const struct net_endpoint *e, unsigned first,
		  unsigned queues, struct net_tap *tap, struct err *err);

/*
 * Give away the device of @e, whose model is NET_MODEL_PHYSICAL. What fails is undone, and
 * any other model will do.
 */
int net_wire_give(const struct net_wire *w, const struct net_endpoint *e, struct physical *p,
		  struct err *err);

/* Join it and @e. What fails is undone, but for the tap. */
int net_wire_join(const struct net_wire *w, const struct net_endpoint *e, const struct net_tap *tap,
		  struct err *err);

/*
 * Undo what the journal's @entry names in @netns. What is not there any more is no error.
 * -EINVAL for words that are no entry.
 */
int net_undo(int netns, const char *entry, struct err *err);

/* Whether @entry is about the host, whatever became of the namespace. */
bool net_entry_is_of_host(const char *entry);

/* Whether @entry is about the link @name. */
bool net_entry_is_of(const char *entry, const char *name);

#endif
