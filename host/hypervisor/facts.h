/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people want to know of a hypervisor before they choose it: constant, the same on
 * every host. A driver has one (hypervisor_ops.facts); one without is for tests alone and
 * in no list.
 */
#ifndef HOST_HYPERVISOR_FACTS_H
#define HOST_HYPERVISOR_FACTS_H

#include <stdbool.h>

/* Major and minor number of a program's version. */
struct hypervisor_version {
	unsigned major, minor;
};

struct hypervisor_facts {
	const char *title; /* "Cloud Hypervisor" */
	const char *file;  /* its configuration file is configuration-<file>.toml */
	/* Other names that people have for it, NULL-terminated; NULL: none. */
	const char *const *aliases;
	unsigned type;		   /* 1: runs on the hardware itself; 2: on an operating system */
	const char *written_in;	   /* "C" */
	const char *architectures; /* that the program runs on, as uname(1) has them: "x86_64, …" */
	const char *good_for;	   /* a few words: what to choose it for */
	/* The option by which the program tells its version; NULL: it is part of this runtime. */
	const char *version_option;
	/* The driver learns it on the way (version_note()); the program is not asked at start. */
	bool version_on_the_way;
	/*
	 * The versions that this driver was tried with, both included. Another one is used
	 * all the same, with a warning. Both 0.0: no machine has
	 * run with any yet.
	 */
	struct hypervisor_version tried_from, tried_to;
};

struct hypervisor_ops;

/* A row of the table of hypervisors: one that a configuration can name. */
struct hypervisor_row {
	const char *name; /* the configuration table's */
	const struct hypervisor_facts *facts;
	const struct hypervisor_ops *ops; /* NULL: this version has no driver for it */
};

/* The rows, in the order in which they are shown; the last one's name is NULL. Static. */
const struct hypervisor_row *hypervisor_rows(void);

/* The row of the table's name, the file's name or another alias @name; NULL when there is none. */
const struct hypervisor_row *hypervisor_row_find(const char *name);

#endif
