/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A longer one is none. */
#define ID_MAX 128

static struct {
	int fd;
	const char *name;
	enum log_level level;
	enum log_format format;
	bool sends; /* to a socket that is not waited for */
	const char *source, *sandbox;
} the_log = { .fd = -1, .name = "", .level = LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_open(int fd, const char *name, enum log_level level, enum log_format format)
{
	the_log.fd = fd;
	the_log.name = name;
	the_log.level = level;
	the_log.format = format;
	the_log.sends = false;
}

void log_never_wait(void)
{
	struct stat st;

	the_log.sends = fstat(the_log.fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

void log_bytes(const char *bytes, size_t len)
{
	ssize_t n = the_log.sends ? send(the_log.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
				    write(the_log.fd, bytes, len);

	(void)n; /* there is nowhere left to say it */
}

void log_set_fields(const char *source, const char *sandbox)
{
	the_log.source = source;
	the_log.sandbox = sandbox;
}

void log_set_level(enum log_level level)
{
	the_log.level = level;
}

bool log_enabled(enum log_level level)
{
	return the_log.fd >= 0 && level <= the_log.level;
}

int log_level_parse(const char *name, enum log_level *level)
{
	if (!strcasecmp(name, "warn"))
		name = "warning";
	if (!strcasecmp(name, "trace"))
		name = "debug";
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!strcasecmp(name, level_names[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Escape @s for a JSON string into @out; cuts what does not fit. */
static void json_escape(char *out, size_t size, const char *s)
{
	size_t n = 0;

	for (; *s && n + 7 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c < 0x20) {
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char)c;
		}
	}
	out[n] = '\0';
}

/*
 * The date and time of @t in UTC, "2026-11-25T19:13:11". Not by gmtime_r(), which reads
 * /etc/localtime at its first call: that is no more to be had in a jail.
 */
static void utc(time_t t, char out[48])
{
	long long days = t / 86400, left = t % 86400;
	/* Years begin in March here, so that the odd day is a year's last. */
	long long z = days + 719468, era = z / 146097, doe = z % 146097;
	long long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	long long doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	long long month = mp < 10 ? mp + 3 : mp - 9;

	snprintf(out, 48, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lld",
		 era * 400 + yoe + (month <= 2), month, doy - (153 * mp + 2) / 5 + 1, left / 3600,
		 left / 60 % 60, left % 60);
}

/* The ID in "container ID: …"; returns its length, 0 when the message is of none. */
static size_t container_of_message(const char *msg, const char **id)
{
	static const char word[] = "container ";
	size_t n;

	if (strncmp(msg, word, strlen(word)) != 0)
		return 0;
	*id = msg + strlen(word);
	n = strcspn(*id, " :,");
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)(*id)[i]) && !strchr("_.-", (*id)[i]))
			return 0;
	return n <= ID_MAX ? n : 0;
}

/* @esc: @msg between quotes. */
static int put_fields(char *line, size_t size, enum log_level level, const char *msg,
		      const char *esc, const char *when)
{
	const char *id = "", *sandbox = the_log.sandbox, *source = the_log.source;
	size_t n = container_of_message(msg, &id);

	return snprintf(line, size,
			"time=\"%sZ\" level=%s msg=\"%s\"%s%.*s name=%s pid=%d%s%s source=%s\n",
			when, level_names[level], esc, n ? " container=" : "", (int)n, id,
			the_log.name, (int)getpid(), sandbox ? " sandbox=" : "",
			sandbox ? sandbox : "", source ? source : the_log.name);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char msg[2048], line[5120], when[48];
	struct timespec ts;
	va_list ap;
	int len, saved = errno;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	clock_gettime(CLOCK_REALTIME, &ts);
	utc(ts.tv_sec, when);
	if (the_log.format != LOG_FORMAT_TEXT) {
		static const char *const upper[] = { "ERROR", "WARNING", "INFO", "DEBUG" };
		char esc[4608];

		json_escape(esc, sizeof(esc), msg);
		if (the_log.format == LOG_FORMAT_JSON)
			len = snprintf(line, sizeof(line),
				       "{\"level\":\"%s\",\"msg\":\"%s\",\"name\":\"%s\","
				       "\"pid\":%d,\"time\":\"%s.%09ldZ\"}\n",
				       level_names[level], esc, the_log.name, (int)getpid(), when,
				       ts.tv_nsec);
		else if (the_log.format == LOG_FORMAT_FIELDS) {
			snprintf(when + strlen(when), sizeof(when) - strlen(when), ".%09ld",
				 ts.tv_nsec);
			len = put_fields(line, sizeof(line), level, msg, esc, when);
		} else
			len = snprintf(line, sizeof(line),
				       "{\"msg\":\"%s\",\"level\":\"%s\",\"ts\":\"%s.%09ldZ\","
				       "\"pid\":\"%d\",\"name\":\"%s\",\"source\":\"agent\"}\n",
				       esc, upper[level], when, ts.tv_nsec, (int)getpid(),
				       the_log.name);
	} else {
		for (char *p = msg; *p; p++)
			if (*p == '\n')
				*p = ' ';
		len = snprintf(line, sizeof(line), "%s.%06ldZ %s %s[%d]: %s\n", when,
			       ts.tv_nsec / 1000, level_names[level], the_log.name, (int)getpid(),
			       msg);
	}
	if (len >= (int)sizeof(line)) {
		len = sizeof(line) - 1;
		line[len - 1] = '\n';
	}
	if (len > 0)
		log_bytes(line, (size_t)len);
	errno = saved;
}

void log_in_signal(enum log_level level, const char *text)
{
	const char *const plain[] = { level_names[level], " ", the_log.name, ": ", text, "\n" };
	const char *const json[] = {
		"{\"msg\":\"", text,   "\",\"level\":\"", level_names[level], "\",\"name\":\"",
		the_log.name,  "\"}\n"
	};
	const char *const *parts = the_log.format == LOG_FORMAT_TEXT ? plain : json;
	size_t n = the_log.format == LOG_FORMAT_TEXT ? ARRAY_SIZE(plain) : ARRAY_SIZE(json);
	char line[512];
	size_t len = 0;

	if (!log_enabled(level))
		return;
	for (size_t i = 0; i < n; i++)
		for (const char *p = parts[i]; *p && len < sizeof(line); p++)
			line[len++] = *p;
	log_bytes(line, len);
}
