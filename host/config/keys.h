/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration as data: one row for each, from which defaults,
 * type and range checks, messages and release follow. A new key is a member of
 * struct config and a row of keys.c. Nothing outside host/config includes this.
 */
#ifndef HOST_CONFIG_KEYS_H
#define HOST_CONFIG_KEYS_H

#include "host/config/config.h"
#include "toml/toml.h"

/* One bit for each [hypervisor.X]. */
enum hypervisor_bit {
	HV_QEMU = 1 << 0,
	HV_CLH = 1 << 1,
	HV_FC = 1 << 2,
	HV_DRAGONBALL = 1 << 3,
	HV_STRATOVIRT = 1 << 4,
	HV_ACRN = 1 << 5,
	HV_FAKE = 1 << 6,
};

enum config_section {
	SECTION_HYPERVISOR, /* [hypervisor.X] */
	SECTION_AGENT,	    /* [agent.kata] */
	SECTION_MEM_AGENT,  /* [agent.kata.mem_agent] */
	SECTION_RUNTIME,    /* [runtime] */
	SECTION_FACTORY,    /* [factory], or as the Rust runtime has it [hypervisor.X.factory] */
};

enum config_type { CONFIG_STRING, CONFIG_BOOL, CONFIG_INTEGER, CONFIG_FLOAT, CONFIG_LIST };

union config_value {
	const char *string;
	bool boolean;
	int64_t integer;
	double real;
};

struct config_key {
	const char *name;
	enum config_section section;
	enum config_type type;
	size_t offset;		    /* of the member, in struct config */
	union config_value unset;   /* its value when no file has the key; lists are empty */
	const char *const *choices; /* what a string may be, NULL: anything */
	int64_t min, max;	    /* of an integer as written */
	int64_t scale;		    /* multiplies what is written */
	unsigned hypervisors;	    /* a set of enum hypervisor_bit: those that have it */
	bool alias;		    /* a spelling of the Rust runtime for what has its own row */
};

/* What a member is instead of config_key.unset on some hypervisors. */
struct config_default {
	unsigned hypervisors;
	size_t offset;
	union config_value value;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;
extern const struct config_default config_defaults[];
extern const size_t config_default_count;

/* The key @name of @section; NULL if there is none. */
const struct config_key *config_key_find(enum config_section section, const char *name);
/* The key of @section that @name most likely means; NULL if none is near. */
const struct config_key *config_key_nearest(enum config_section section, const char *name);

/* The bit of the table name @name, 0 if it is not known. */
unsigned config_hypervisor_bit(const char *name);
/* "qemu, clh, … and fake", for messages. */
const char *config_hypervisor_names(void);

/* Give every member its value for when no file says otherwise. */
void config_set_defaults(struct config *config, unsigned hypervisor);
/*
 * Give the member of @key the value @node. Returns 0; -EINVAL when the value is
 * of another type or not allowed, and what it must be in @err ("must be an
 * integer, not a string").
 */
int config_set(struct config *config, const struct config_key *key, const struct toml_node *node,
	       struct err *err);
/* Release what config_set() and config_set_defaults() made. */
void config_release(struct config *config);

/* After the files: make of the keys that only the Rust runtime has what ours mean. */
void config_settle(struct config *config);

/* Add to the warnings what is set and has no effect. */
void config_note(struct config *config);

/* Rules that concern more than one key. 0, or -EINVAL and @err. */
int config_validate(const struct config *config, struct err *err);

#endif
