/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of kata-standin, which kata-runtime writes:
 *
 *	kata-standin --control FD --shim FD [flags] ID
 *
 *	--NAMESPACE		a new one: net, ipc, uts, pid, mnt
 *	--NAMESPACE=PATH	that one
 *	--hostname NAME		in the uts namespace
 *	--root DIR		the root, by pivot_root, in the mount namespace
 *	--no-pivot		by moving the mount instead
 *	--elsewhere		with a word in it that the files are in the machine, and no file
 *	--bind SOURCE TARGET	a mount of the container; any number. SOURCE "": one that only
 *				the machine has
 *	--terminal FD		becomes the controlling terminal
 */
#ifndef HOST_STANDIN_OPTIONS_H
#define HOST_STANDIN_OPTIONS_H

#include <stdbool.h>

/* In the order they are entered: the one that changes what paths mean is last. */
enum ns { NS_NET, NS_IPC, NS_UTS, NS_PID, NS_MNT, NS_KINDS };

struct options {
	int control, shim;
	int terminal;		    /* -1: none */
	const char *path[NS_KINDS]; /* NULL: the caller's; "": new */
	const char *hostname, *root;
	bool no_pivot, elsewhere;
	int n_binds;
	char **binds; /* pairs of source and target: argv itself, put in order */
};

extern const char *const ns_names[NS_KINDS];

/* 0, or -1 when @argv is not as above. All strings are those of @argv. */
int options_parse(int argc, char **argv, struct options *o);

#endif
