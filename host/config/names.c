/* SPDX-License-Identifier: Apache-2.0 */
/* Finding keys and hypervisors by name, and guessing what a wrong name meant. */
#include <string.h>

#include "base/cleanup.h"
#include "host/config/keys.h"

/* Longer names are not compared; no key is half as long. */
#define NAME_MAX_GUESS 64

const struct config_key *config_key_find(enum config_section section, const char *name)
{
	const struct config_key *key;

	for (key = config_keys; key < config_keys + config_key_count; key++)
		if (key->section == section && !strcmp(key->name, name))
			return key;
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's: how many characters to insert, delete or replace. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_GUESS + 1], la = strlen(a), lb = strlen(b), i, j;

	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= lb; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

const struct config_key *config_key_nearest(enum config_section section, const char *name)
{
	const struct config_key *key, *best = NULL;
	size_t len = strlen(name), distance, limit = len / 3 < 2 ? 2 : len / 3;

	if (len > NAME_MAX_GUESS)
		return NULL;
	for (key = config_keys; key < config_keys + config_key_count; key++) {
		if (key->section != section)
			continue;
		distance = edit_distance(name, key->name);
		if (distance <= limit) {
			limit = distance - 1; /* from here on only a nearer one will do */
			best = key;
			if (distance <= 1)
				break;
		}
	}
	return best;
}

static const struct {
	const char *name;
	unsigned bit;
} hypervisors[] = {
	{ "qemu", HV_QEMU },
	{ "clh", HV_CLH },
	{ "firecracker", HV_FC },
	{ "dragonball", HV_DRAGONBALL },
	{ "stratovirt", HV_STRATOVIRT },
	{ "acrn", HV_ACRN },
	{ "fake", HV_FAKE },
};

unsigned config_hypervisor_bit(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hypervisors); i++)
		if (!strcmp(hypervisors[i].name, name))
			return hypervisors[i].bit;
	return 0;
}

const char *config_hypervisor_names(void)
{
	return "qemu, clh, firecracker, dragonball, stratovirt, acrn and fake";
}
