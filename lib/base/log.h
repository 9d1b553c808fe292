/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log per process. Lines go to one descriptor, each in one write(), as
 * `time level name: message` or as a JSON object per line.
 * A message says what happened and to what; it is not how errors travel.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
/*
 * SLOG: JSON with the keys of Kata's agent (msg, level, ts, pid, name, source). FIELDS: key=value
 * as of Kata's shim (time, level, msg, name, pid, source, sandbox, container), which containerd
 * passes on and Kata's log parser reads.
 */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_SLOG, LOG_FORMAT_FIELDS };

/*
 * Log to @fd (borrowed; -1 silences the log) as program @name, a string that
 * outlives the process. Before the first call the log is silent.
 */
void log_open(int fd, const char *name, enum log_level level, enum log_format format);

/*
 * From now on nobody who reads the log from a socket is waited for: what it does not take is
 * lost. (A socket has no description of our own that could be made non-blocking.)
 */
void log_never_wait(void);

/*
 * For FIELDS: what the source is and which sandbox is spoken of (NULL: none), strings that
 * outlive the process. The container is told by the message: it begins "container ID", and
 * behind the ID is a blank, a colon or a comma.
 */
void log_set_fields(const char *source, const char *sandbox);

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warn"/"warning", "info", "debug"/"trace" → level; -EINVAL otherwise. */
int log_level_parse(const char *name, enum log_level *level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for a signal's handler: @text as it is (nothing to be escaped), without a time. */
void log_in_signal(enum log_level level, const char *text);

/* Bytes that somebody else has to say, as they are. */
void log_bytes(const char *bytes, size_t len);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                          \
	do {                                                    \
		if (log_enabled(LOG_LEVEL_DEBUG))               \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
