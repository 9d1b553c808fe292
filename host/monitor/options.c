/* SPDX-License-Identifier: Apache-2.0 */
#include "host/monitor/options.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* As many connections as may wait. */
#define BACKLOG 64

/* logrus has levels of which this log knows none; what is not known at all is "warn" there. */
static enum log_level parse_level(const char *name)
{
	enum log_level level;

	if (!strcasecmp(name, "fatal") || !strcasecmp(name, "panic"))
		return LOG_LEVEL_ERROR;
	return log_level_parse(name, &level) < 0 ? LOG_LEVEL_WARN : level;
}

static int set(struct options *o, const char *name, const char *value, struct err *err)
{
	if (!strcmp(name, "listen-address")) {
		o->address = value;
	} else if (!strcmp(name, "log-level")) {
		o->level = parse_level(value);
	} else if (!strcmp(name, "root")) {
		if (value[0] != '/')
			return err_set(err, EINVAL, "flag -root: \"%s\" is no absolute path",
				       value);
		strv_add(&o->roots, value);
	}
	/* runtime-endpoint: the sandboxes' own state says to which pods they belong. */
	return 0;
}

/* The flag argv[0], whose value may be argv[1]. Returns how many of them it took. */
static int parse_flag(char *const *argv, struct options *o, struct err *err)
{
	static const char *const with_value[] = { "listen-address", "log-level", "root",
						  "runtime-endpoint" };
	const char *arg = argv[0] + (argv[0][1] == '-' ? 2 : 1), *equals = strchr(arg, '=');
	auto_free char *name = xstrndup(arg, equals ? (size_t)(equals - arg) : strlen(arg));

	if (!strcmp(name, "h") || !strcmp(name, "help")) {
		o->help = true;
		return 1;
	}
	if (!strcmp(name, "version")) {
		o->version = true;
		return 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(with_value); i++) {
		const char *value = equals ? equals + 1 : argv[1];
		int r;

		if (strcmp(name, with_value[i]) != 0)
			continue;
		if (!value)
			return err_set(err, EINVAL, "flag needs an argument: -%s", name);
		r = set(o, name, value, err);
		return r < 0 ? r : 2 - (equals != NULL);
	}
	return err_set(err, EINVAL, "flag provided but not defined: -%s", name);
}

int options_parse(int argc, char *const *argv, struct options *o, struct err *err)
{
	int i = 1;

	*o = (struct options){ .address = MONITOR_ADDRESS, .level = LOG_LEVEL_INFO };
	if (argc == 2 && !strcmp(argv[1], "version")) {
		o->version = true;
		return 0;
	}
	while (i < argc) {
		int n;

		if (argv[i][0] != '-' || !argv[i][1])
			return err_set(err, EINVAL, "unexpected argument: %s", argv[i]);
		n = parse_flag(&argv[i], o, err);
		if (n < 0)
			return n;
		i += n;
	}
	return 0;
}

void options_usage(FILE *out)
{
	fprintf(out,
		"usage: kata-monitor [flags]\n\n"
		"Tells the metrics of all sandboxes of this host to Prometheus.\n\n"
		"flags:\n"
		"  -listen-address ADDRESS     where to listen for HTTP (%s)\n"
		"  -log-level LEVEL            trace, debug, info, warn, error, fatal or panic "
		"(info)\n"
		"  -runtime-endpoint ENDPOINT  accepted, and not needed: the sandboxes themselves\n"
		"                              know to which pods they belong\n"
		"  -root DIR                   where sandboxes are; may be given several times\n"
		"  -version                    show the version\n"
		"  -h, -help                   show this text\n",
		MONITOR_ADDRESS);
}

static int try_listen(const struct addrinfo *ai)
{
	auto_close int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static int try_all(const struct addrinfo *list, int family)
{
	int r = -EADDRNOTAVAIL;

	for (const struct addrinfo *ai = list; ai && r < 0; ai = ai->ai_next)
		if (ai->ai_family == family)
			r = try_listen(ai);
	return r;
}

/*
 * Of all addresses those of IPv6 come first, which take IPv4's, too; of a name's those of IPv4,
 * as in Go.
 */
int options_listen(const char *address, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	const char *colon = strrchr(address, ':');
	auto_free char *host = NULL;
	struct addrinfo *list = NULL;
	int r;

	if (!colon || !colon[1])
		return err_set(err, EINVAL, "flag -listen-address: \"%s\" is not HOST:PORT",
			       address);
	host = xstrndup(address, (size_t)(colon - address));
	if (host[0] == '[' && str_ends(host, "]")) {
		host[strlen(host) - 1] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	r = getaddrinfo(*host ? host : NULL, colon + 1, &hints, &list);
	if (r != 0)
		return err_set(err, EINVAL, "flag -listen-address: %s: %s", address,
			       gai_strerror(r));
	r = try_all(list, *host ? AF_INET : AF_INET6);
	if (r < 0)
		r = try_all(list, *host ? AF_INET6 : AF_INET);
	freeaddrinfo(list);
	return r < 0 ? err_sys(err, r, "cannot listen on %s", address) : r;
}
