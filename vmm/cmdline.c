/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/open.h"

#define MEMORY_MIN_MIB	   64
#define MEMORY_MAX_MIB	   (16ULL << 20) /* 16 TiB: what processors of today address */
#define MEMORY_DEFAULT_MIB 128
#define CPUS_MAX	   254
#define CID_FIRST	   3 /* 0 to 2 are the hypervisor's, this machine's and the host's */

const char cmdline_usage[] =
	"usage: kata-vmm --kernel FILE [OPTION]...\n"
	"Runs a virtual machine until it ends. kata-vmm(8) tells more.\n"
	"\n"
	"  --kernel FILE       an ELF vmlinux with a PVH entry\n"
	"  --initrd FILE       its initial file system\n"
	"  --cmdline STRING    its command line\n"
	"  --memory MIB        64 and more; 128 unless given\n"
	"  --cpus N            1 to 254; 1 unless given\n"
	"  --shared-memory     that other processes can map; --fs needs it\n"
	"  --console WHERE     stdio, none, unix:PATH or a file; none unless given\n"
	"  --disk FILE[,id=ID][,ro][,direct][,no-flush][,iops=N][,bps=N]\n"
	"  --net tap=NAME|fd=N[,id=ID][,mac=MAC][,mtu=N][,rx-bps=N][,tx-bps=N]\n"
	"  --vsock PATH[,cid=N]\n"
	"  --fs SOCKET,tag=TAG[,id=ID][,queue-size=N]\n"
	"  --balloon [reporting][,size=MIB]\n"
	"  --rng               random numbers from the host\n"
	"  --control FILE      a socket that leads the machine\n"
	"  --id NAME           in log lines\n"
	"  --kvm FILE          /dev/kvm unless given\n"
	"  --no-acpi           for kernels without ACPI\n"
	"  --keep-netns        stay in the network namespace\n"
	"  --no-jail, --no-seccomp\n"
	"  --debug             early console and marks on standard error\n"
	"  --help, --version\n"
	"Instead of a file or socket, fd:N names an inherited descriptor.\n"
	"\n"
	"Exit status: 0 powered off, 1 failed, 2 usage, 3 reset, 4 panic, 5 triple fault,\n"
	"6 stopped.\n";

static int number(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *value,
		  struct err *err)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno != 0)
		return err_set(err, EINVAL, "%s: \"%s\" is no number", what, text);
	if (*value < min || *value > max)
		return err_set(err, EINVAL, "%s: %s is not between %" PRIu64 " and %" PRIu64, what,
			       text, min, max);
	return 0;
}

/* The pieces of "A,B=C,D": key and value of the next one; value NULL without '='. */
static bool next_piece(char **rest, char **key, char **value)
{
	*key = strsep(rest, ",");
	if (!*key)
		return false;
	*value = strchr(*key, '=');
	if (*value)
		*(*value)++ = '\0';
	return true;
}

/* A key of an option's value: where it goes, and as what. */
struct key {
	const char *name;
	enum { KEY_END, KEY_FLAG, KEY_TEXT, KEY_U16, KEY_U32, KEY_U64, KEY_MAC } kind;
	size_t at;
	uint64_t min, max;
};

static int parse_mac(const char *text, uint8_t mac[6])
{
	unsigned b[6];
	int n = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &n) != 6 ||
	    n != 17 || text[17])
		return -EINVAL;
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	/* A group's address is no card's. */
	return mac[0] & 1 ? -EINVAL : 0;
}

static int set_key(const char *option, const struct key *k, char *value, void *out, struct err *err)
{
	char what[64];
	uint8_t *at = (uint8_t *)out + k->at;
	uint64_t n = 0;

	snprintf(what, sizeof(what), "%s: %s", option, k->name);
	if ((k->kind == KEY_FLAG) != !value || (value && !*value))
		return err_set(err, EINVAL, "%s: %s", what,
			       k->kind == KEY_FLAG ? "takes no value" : "needs a value");
	switch (k->kind) {
	case KEY_FLAG:
		*(bool *)at = true;
		return 0;
	case KEY_TEXT:
		memcpy(at, &value, sizeof(value));
		return 0;
	case KEY_MAC:
		if (parse_mac(value, at) < 0)
			return err_set(err, EINVAL, "%s: \"%s\" is no address of a card", what,
				       value);
		return 0;
	default:
		break;
	}
	if (number(what, value, k->min, k->max, &n, err) < 0)
		return -EINVAL;
	if (k->kind == KEY_U16)
		*(uint16_t *)(void *)at = (uint16_t)n;
	else if (k->kind == KEY_U32)
		*(uint32_t *)(void *)at = (uint32_t)n;
	else
		*(uint64_t *)(void *)at = n;
	return 0;
}

static int parse_keys(const char *option, const struct key *keys, char *rest, void *out,
		      struct err *err)
{
	char *key, *value;

	while (next_piece(&rest, &key, &value)) {
		const struct key *k = keys;
		int r;

		while (k->kind != KEY_END && strcmp(k->name, key) != 0)
			k++;
		if (k->kind == KEY_END)
			return err_set(err, EINVAL, "%s: unknown key \"%s\"", option, key);
		r = set_key(option, k, value, out, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What comes before the first comma. */
static int first_word(const char *option, char **rest, const char **word, struct err *err)
{
	*word = strsep(rest, ",");
	return (*word)[0] ? 0 : err_set(err, EINVAL, "%s: names no file", option);
}

static int room(const char *option, unsigned n, struct err *err)
{
	return n < CMDLINE_DEVICES_MAX ?
		       0 :
		       err_set(err, EINVAL, "%s: more than %d", option, CMDLINE_DEVICES_MAX);
}

static int parse_disk(struct cmdline *c, char *value, struct err *err)
{
	static const struct key keys[] = {
		{ "id", KEY_TEXT, offsetof(struct cmdline_disk, id), 0, 0 },
		{ "ro", KEY_FLAG, offsetof(struct cmdline_disk, read_only), 0, 0 },
		{ "direct", KEY_FLAG, offsetof(struct cmdline_disk, direct), 0, 0 },
		{ "no-flush", KEY_FLAG, offsetof(struct cmdline_disk, no_flush), 0, 0 },
		{ "iops", KEY_U64, offsetof(struct cmdline_disk, iops), 0, UINT64_MAX },
		{ "bps", KEY_U64, offsetof(struct cmdline_disk, bps), 0, UINT64_MAX },
		{ NULL, KEY_END, 0, 0, 0 },
	};
	struct cmdline_disk *d = &c->disk[c->n_disks];
	int r = room("--disk", c->n_disks, err);

	if (r == 0)
		r = first_word("--disk", &value, &d->file, err);
	if (r == 0)
		r = parse_keys("--disk", keys, value, d, err);
	c->n_disks += r == 0;
	return r;
}

static int parse_net(struct cmdline *c, char *value, struct err *err)
{
	struct given {
		struct cmdline_net net;
		uint32_t fd;
	} given = { .fd = UINT32_MAX };
	static const struct key keys[] = {
		{ "tap", KEY_TEXT, offsetof(struct given, net.tap), 0, 0 },
		{ "fd", KEY_U32, offsetof(struct given, fd), 0, INT32_MAX },
		{ "id", KEY_TEXT, offsetof(struct given, net.id), 0, 0 },
		{ "mac", KEY_MAC, offsetof(struct given, net.mac), 0, 0 },
		{ "mtu", KEY_U16, offsetof(struct given, net.mtu), 68, 65535 },
		{ "rx-bps", KEY_U64, offsetof(struct given, net.rx_bps), 0, UINT64_MAX },
		{ "tx-bps", KEY_U64, offsetof(struct given, net.tx_bps), 0, UINT64_MAX },
		{ NULL, KEY_END, 0, 0, 0 },
	};
	static const uint8_t no_mac[6];
	int r = room("--net", c->n_nets, err);

	if (r == 0)
		r = parse_keys("--net", keys, value, &given, err);
	if (r == 0 && !given.net.tap == (given.fd == UINT32_MAX))
		r = err_set(err, EINVAL, "--net: needs tap=NAME or fd=N, one of them");
	if (r < 0)
		return r;
	given.net.fd = given.net.tap ? -1 : (int)given.fd;
	given.net.has_mac = memcmp(given.net.mac, no_mac, sizeof(no_mac)) != 0;
	c->net[c->n_nets++] = given.net;
	return 0;
}

static int parse_fs(struct cmdline *c, char *value, struct err *err)
{
	static const struct key keys[] = {
		{ "tag", KEY_TEXT, offsetof(struct cmdline_fs, tag), 0, 0 },
		{ "id", KEY_TEXT, offsetof(struct cmdline_fs, id), 0, 0 },
		{ "queue-size", KEY_U16, offsetof(struct cmdline_fs, queue_size), 1, 32768 },
		{ NULL, KEY_END, 0, 0, 0 },
	};
	struct cmdline_fs *f = &c->fs[c->n_filesystems];
	int r = room("--fs", c->n_filesystems, err);

	if (r == 0)
		r = first_word("--fs", &value, &f->socket, err);
	if (r == 0)
		r = parse_keys("--fs", keys, value, f, err);
	if (r == 0 && !f->tag)
		r = err_set(err, EINVAL, "--fs: needs a tag");
	/* Section 5.11.4: as many bytes as the configuration space has. */
	if (r == 0 && strlen(f->tag) > 36)
		r = err_set(err, EINVAL, "--fs: the tag is longer than 36 bytes");
	c->n_filesystems += r == 0;
	return r;
}

static int parse_vsock(struct cmdline *c, char *value, struct err *err)
{
	static const struct key keys[] = {
		{ "cid", KEY_U32, offsetof(struct cmdline, vsock_cid), CID_FIRST, UINT32_MAX - 1 },
		{ NULL, KEY_END, 0, 0, 0 },
	};
	int r = c->vsock ? err_set(err, EINVAL, "--vsock: given twice") : 0;

	c->vsock_cid = CID_FIRST;
	if (r == 0)
		r = first_word("--vsock", &value, &c->vsock, err);
	return r == 0 ? parse_keys("--vsock", keys, value, c, err) : r;
}

static int parse_balloon(struct cmdline *c, char *value, struct err *err)
{
	static const struct key keys[] = {
		{ "reporting", KEY_FLAG, offsetof(struct cmdline, balloon_reporting), 0, 0 },
		{ "size", KEY_U64, offsetof(struct cmdline, balloon_mib), 0, MEMORY_MAX_MIB },
		{ NULL, KEY_END, 0, 0, 0 },
	};

	c->balloon = true;
	return value && *value ? parse_keys("--balloon", keys, value, c, err) : 0;
}

static int parse_memory(struct cmdline *c, char *value, struct err *err)
{
	return number("--memory", value, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &c->memory_mib, err);
}

static int parse_cpus(struct cmdline *c, char *value, struct err *err)
{
	uint64_t n;
	int r = number("--cpus", value, 1, CPUS_MAX, &n, err);

	if (r == 0)
		c->cpus = (unsigned)n;
	return r;
}

#define AT(member) offsetof(struct cmdline, member)

static const struct option {
	const char *name;
	enum { TAKES_NOTHING, TAKES_TEXT, TAKES_VALUE, MAY_TAKE_VALUE } takes;
	size_t at; /* of a bool (nothing) or a string (text) */
	int (*parse)(struct cmdline *c, char *value, struct err *err);
} options[] = {
	{ "kernel", TAKES_TEXT, AT(kernel), NULL },
	{ "initrd", TAKES_TEXT, AT(initrd), NULL },
	{ "cmdline", TAKES_TEXT, AT(line), NULL },
	{ "memory", TAKES_VALUE, 0, parse_memory },
	{ "cpus", TAKES_VALUE, 0, parse_cpus },
	{ "shared-memory", TAKES_NOTHING, AT(shared_memory), NULL },
	{ "console", TAKES_TEXT, AT(console), NULL },
	{ "disk", TAKES_VALUE, 0, parse_disk },
	{ "net", TAKES_VALUE, 0, parse_net },
	{ "vsock", TAKES_VALUE, 0, parse_vsock },
	{ "fs", TAKES_VALUE, 0, parse_fs },
	{ "balloon", MAY_TAKE_VALUE, 0, parse_balloon },
	{ "rng", TAKES_NOTHING, AT(rng), NULL },
	{ "control", TAKES_TEXT, AT(control), NULL },
	{ "id", TAKES_TEXT, AT(id), NULL },
	{ "kvm", TAKES_TEXT, AT(kvm), NULL },
	{ "no-acpi", TAKES_NOTHING, AT(no_acpi), NULL },
	{ "keep-netns", TAKES_NOTHING, AT(keep_netns), NULL },
	{ "no-jail", TAKES_NOTHING, AT(no_jail), NULL },
	{ "no-seccomp", TAKES_NOTHING, AT(no_seccomp), NULL },
	{ "debug", TAKES_NOTHING, AT(debug), NULL },
	{ "help", TAKES_NOTHING, AT(help), NULL },
	{ "version", TAKES_NOTHING, AT(version), NULL },
};

static const struct option *find_option(const char *name, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* argv[*i] is an option; its value may be the next argument. */
static int parse_option(struct cmdline *c, int argc, char **argv, int *i, struct err *err)
{
	char *arg = argv[*i], *value = strchr(arg, '=');
	size_t len = value ? (size_t)(value - arg) : strlen(arg);
	const struct option *o = strncmp(arg, "--", 2) == 0 ? find_option(arg + 2, len - 2) : NULL;

	if (!o)
		return err_set(err, EINVAL, "unknown argument \"%s\"", arg);
	if (value)
		value++;
	else if (o->takes > TAKES_NOTHING && *i + 1 < argc &&
		 (o->takes != MAY_TAKE_VALUE || argv[*i + 1][0] != '-'))
		value = argv[++*i];
	if (o->takes == TAKES_NOTHING ? value != NULL : !value && o->takes != MAY_TAKE_VALUE)
		return err_set(err, EINVAL, "--%s: %s", o->name,
			       value ? "takes no value" : "needs a value");
	if (o->parse)
		return o->parse(c, value, err);
	if (o->takes == TAKES_NOTHING)
		*(bool *)((char *)c + o->at) = true;
	else
		memcpy((char *)c + o->at, &value, sizeof(value));
	return 0;
}

int cmdline_parse(struct cmdline *c, int argc, char **argv, struct err *err)
{
	int r = 0;

	*c = (struct cmdline){ .kvm = "/dev/kvm",
			       .line = "",
			       .id = "kata-vmm",
			       .console = "none",
			       .memory_mib = MEMORY_DEFAULT_MIB,
			       .cpus = 1 };
	for (int i = 1; r == 0 && i < argc; i++)
		r = parse_option(c, argc, argv, &i, err);
	if (r < 0 || c->help || c->version)
		return r;
	if (!c->kernel)
		return err_set(err, EINVAL, "--kernel is missing");
	if (c->n_filesystems > 0 && !c->shared_memory)
		return err_set(err, EINVAL, "--fs needs --shared-memory");
	if (c->balloon_mib > c->memory_mib)
		return err_set(err, EINVAL, "--balloon: larger than the machine's memory");
	return 0;
}

unsigned cmdline_fds(const struct cmdline *c, int fds[CMDLINE_FDS_MAX])
{
	const char *const names[] = {
		c->kernel, c->initrd, c->kvm, c->control, c->vsock, c->console
	};
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		n += names[i] && open_is_fd(names[i], &fds[n]) > 0;
	for (unsigned i = 0; i < c->n_disks; i++)
		n += open_is_fd(c->disk[i].file, &fds[n]) > 0;
	for (unsigned i = 0; i < c->n_filesystems; i++)
		n += open_is_fd(c->fs[i].socket, &fds[n]) > 0;
	for (unsigned i = 0; i < c->n_nets; i++)
		if (c->net[i].fd >= 0)
			fds[n++] = c->net[i].fd;
	return n;
}
