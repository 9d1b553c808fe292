/* SPDX-License-Identifier: Apache-2.0 */
/* The two dialects of virtiofsd's options. */
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/virtiofsd.h"

/*
 * Options of the Rust daemon and how the C one words them (its --help). Those
 * with a value end in '='. What is not here (--thread-pool-size=,
 * --rlimit-nofile=, --syslog, -o …) is the same in both, or the daemon itself
 * says that it does not know it.
 */
static const struct {
	const char *rust, *c;
} words[] = {
	{ "--announce-submounts", "announce_submounts" },
	{ "--xattr", "xattr" },
	{ "--posix-acl", "xattr,posix_acl" },
	{ "--writeback", "writeback" },
	{ "--no-readdirplus", "no_readdirplus" },
	{ "--allow-direct-io", "allow_direct_io" },
	{ "--killpriv-v2", "killpriv_v2" },
	{ "--no-killpriv-v2", "no_killpriv_v2" },
	{ "--security-label", "security_label" },
	{ "--cache=", "cache=" },
	{ "--sandbox=", "sandbox=" },
	{ "--log-level=", "log_level=" },
	{ "--xattrmap=", "xattrmap=" },
	{ "--modcaps=", "modcaps=" },
};

enum virtiofsd_dialect virtiofsd_dialect(const char *text)
{
	/* "virtiofsd version 7.2.22 (…)" against "virtiofsd 1.10.1". */
	if (str_starts(text, "virtiofsd version ") || strstr(text, "using FUSE kernel interface"))
		return VIRTIOFSD_C;
	if (str_starts(text, "virtiofsd ") || str_starts(text, "virtiofsd-"))
		return VIRTIOFSD_RUST;
	return VIRTIOFSD_UNKNOWN;
}

/* The C daemon cannot cache metadata alone, and data must not be cached then. */
static const char *c_cache(const char *mode)
{
	return !strcmp(mode, "never") || !strcmp(mode, "metadata") ? "none" : mode;
}

static void add_extra_c(struct strv *argv, const char *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *rust = words[i].rust;
		bool valued = str_ends(rust, "=");
		const char *value = arg + strlen(rust);

		if (valued ? !str_starts(arg, rust) : strcmp(arg, rust) != 0)
			continue;
		strv_add(argv, "-o");
		if (!valued)
			value = "";
		else if (!strcmp(rust, "--cache="))
			value = c_cache(value);
		strv_addf(argv, "%s%s", words[i].c, value);
		return;
	}
	strv_add(argv, arg);
}

/* True when one of @extra has @word in it. */
static bool mentions(const struct strv *extra, const char *word)
{
	for (size_t i = 0; i < extra->n; i++)
		if (strstr(extra->v[i], word))
			return true;
	return false;
}

void virtiofsd_args(enum virtiofsd_dialect dialect, const struct virtiofsd_options *opt,
		    struct strv *argv)
{
	bool announce = !mentions(opt->extra, "announce");
	bool quiet = !opt->debug && !mentions(opt->extra, "log");
	bool chroot = opt->chroot && !mentions(opt->extra, "sandbox=");

	strv_add(argv, opt->path);
	strv_addf(argv, "--fd=%d", opt->fd);
	if (dialect == VIRTIOFSD_C) {
		strv_add(argv, "-f");
		strv_add(argv, "-o");
		strv_addf(argv, "source=%s,cache=%s%s%s%s", opt->source, c_cache(opt->cache),
			  announce ? ",announce_submounts" : "", chroot ? ",sandbox=chroot" : "",
			  quiet ? ",log_level=warn" : "");
		for (size_t i = 0; i < opt->extra->n; i++)
			add_extra_c(argv, opt->extra->v[i]);
		return;
	}
	strv_addf(argv, "--shared-dir=%s", opt->source);
	strv_addf(argv, "--cache=%s", opt->cache);
	if (announce)
		strv_add(argv, "--announce-submounts");
	if (chroot)
		strv_add(argv, "--sandbox=chroot");
	if (quiet)
		strv_add(argv, "--log-level=warn");
	for (size_t i = 0; i < opt->extra->n; i++)
		strv_add(argv, opt->extra->v[i]);
}
