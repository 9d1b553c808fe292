/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files for a test, in a directory of its own. */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include "host/config/config.h"

extern char dir[]; /* messages name files relative to it */

int config_setup(void **state);
int config_teardown(void **state);

/* Write the file @name, below dir. */
void put(const char *name, const char *text);

/* The configuration of that file, which must be valid. */
struct config *load(const char *name);

/* The configuration that is @text alone. */
struct config *load_text(const char *text);

/* Loading c.toml fails with @msg, in which the directory is not written. */
void assert_refused(const char *msg);

#endif
