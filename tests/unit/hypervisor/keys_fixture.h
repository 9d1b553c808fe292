/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the drivers' keys share: each driver has a table with one row for every
 * key of its [hypervisor.X], and a function that turns lines of configuration into what
 * a machine gets.
 */
#ifndef TESTS_HYPERVISOR_KEYS_FIXTURE_H
#define TESTS_HYPERVISOR_KEYS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/config/config.h"
#include "host/config/keys.h"
#include "host/hypervisor/size.h"

/* What a key does when its value is not the default. */
enum key_effect {
	CHANGES, /* the outcome then has `what`, and by default has not */
	REMOVES, /* the outcome by default has `what`, and then has not */
	REFUSED, /* the error has `what`, and is -ENOTSUP in the name of the key */
	ABOVE,	 /* another layer acts on it; `what` names it */
	MOOT,	 /* it qualifies a key that is refused or says what is so anyway: see `what` */
};

struct key_row {
	const char *key, *value;
	enum key_effect effect;
	const char *what;
	const char *with; /* more lines that it needs, or NULL */
};

/*
 * What a machine gets with @lines and @more (which may be "") in the driver's table: the
 * command line or the like, or key_error(). The caller frees.
 */
typedef char *(*key_outcome)(const char *lines, const char *more);

/* The configuration of the whole text @lines; NULL and @err. The caller frees. */
struct config *config_of(const char *lines, struct err *err);

/* "error CODE: words". */
char *key_error(const struct err *err);

/* Whether one of @lines sets @key. */
bool lines_set(const char *lines, const char *key);

/* The size of the machine of @config on a host of 4 processors and 8000 MiB, for no container. */
struct vm_size size_for(const struct config *config, bool cpu_plug, bool memory_plug);

/*
 * Every key that the hypervisor of @bit has (@foreign: has not, which in a file is a warning)
 * is in a row, and every row is of such a key.
 */
void keys_are_complete(const struct key_row *rows, size_t n, unsigned bit, bool foreign);

/* Every row's key has its effect; @driver is the X of the table. */
void keys_have_effect(const struct key_row *rows, size_t n, const char *driver,
		      key_outcome outcome);

/* Each of @lines is refused: -ENOTSUP, in the name of its key. */
void lines_are_refused(const char *const *lines, size_t n, const char *driver, const char *more,
		       key_outcome outcome);

/* Lines, and what the error has to hold. */
struct bad_lines {
	const char *lines, *what;
};

void bad_lines_are_named(const struct bad_lines *cases, size_t n, key_outcome outcome);

#endif
