/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/mount_options.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* mount(8), with the recursive forms that the OCI specification adds ("rro", …). */
static const struct {
	const char *name;
	uint64_t set, clear;
} attributes[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
	/* The access times are one field of several values. */
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "norelatime", 0, MOUNT_ATTR__ATIME },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "atime", 0, MOUNT_ATTR__ATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nostrictatime", 0, MOUNT_ATTR__ATIME },
};

static const struct {
	const char *name;
	unsigned long flag;
} propagations[] = {
	{ "private", MS_PRIVATE },
	{ "shared", MS_SHARED },
	{ "slave", MS_SLAVE },
	{ "unbindable", MS_UNBINDABLE },
};

int propagation_parse(const char *word, unsigned long *flag, bool *recursive)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
		bool rec = word[0] == 'r' && !strcmp(word + 1, propagations[i].name);

		if (rec || !strcmp(word, propagations[i].name)) {
			*flag = propagations[i].flag;
			*recursive = rec;
			return 0;
		}
	}
	return -EINVAL;
}

static void merge(uint64_t *set, uint64_t *clear, size_t i)
{
	*set = (*set & ~attributes[i].clear) | attributes[i].set;
	*clear = (*clear & ~attributes[i].set) | attributes[i].clear;
}

static bool attribute(struct mount_options *o, const char *opt)
{
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (!strcmp(opt, attributes[i].name)) {
			merge(&o->set, &o->clear, i);
			return true;
		}
		if (opt[0] == 'r' && !strcmp(opt + 1, attributes[i].name)) {
			merge(&o->rec_set, &o->rec_clear, i);
			return true;
		}
	}
	return false;
}

/* Words that say nothing to a mount: of fstab, or the default anyway. */
static bool meaningless(const char *opt)
{
	static const char *const words[] = { "",	"defaults", "auto",   "noauto",
					     "nofail",	"_netdev",  "loud",   "silent",
					     "remount", "async",    "nomand", "noiversion",
					     "iversion" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(opt, words[i]))
			return true;
	return false;
}

void mount_options_parse(char *const *options, size_t n, struct mount_options *o)
{
	*o = (struct mount_options){ .bind = false };
	for (size_t i = 0; i < n; i++) {
		const char *opt = options[i];

		if (attribute(o, opt) || meaningless(opt) ||
		    propagation_parse(opt, &o->propagation, &o->propagation_rec) == 0)
			continue;
		if (!strcmp(opt, "bind")) {
			o->bind = true;
		} else if (!strcmp(opt, "rbind")) {
			o->bind = o->recursive = true;
		} else if (!strcmp(opt, "tmpcopyup")) {
			o->copy_up = true;
		} else if (!strcmp(opt, "idmap") || !strcmp(opt, "ridmap")) {
			o->idmap = true;
			o->idmap_rec = opt[0] == 'r';
		} else {
			strv_add(&o->data, opt);
		}
	}
}

void mount_options_done(struct mount_options *o)
{
	strv_free(&o->data);
}
