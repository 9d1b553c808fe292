/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of an annotation to a member of struct config. Internal to host/config. */
#ifndef HOST_CONFIG_ANNOTATION_VALUE_H
#define HOST_CONFIG_ANNOTATION_VALUE_H

#include "host/config/keys.h"

enum annotation_form {
	ANNOTATION_PLAIN,	 /* as the key's type wants it */
	ANNOTATION_UNLESS_EMPTY, /* the same, but "" is not for annotation_set() */
	ANNOTATION_FILE,	 /* an absolute path */
	ANNOTATION_PARAMS,	 /* kernel parameters, which replace those of the same name */
	ANNOTATION_WORDS,	 /* a list, separated by blanks or commas */
	ANNOTATION_SEMICOLONS,	 /* a list, separated by semicolons */
	ANNOTATION_JSON,	 /* a JSON array of strings, which is added to the list */
};

/*
 * Give the member of @key what @value says. -EINVAL when it does not say a value
 * of the key's type and range, and what it must be in @err.
 */
int annotation_set(struct config *config, const struct config_key *key, enum annotation_form form,
		   const char *value, struct err *err);

/*
 * Decode @text, base64 (RFC 4648, section 4; line ends do not count), which has to give a
 * text. -EINVAL, and what it must be in @err; else the caller frees *@out.
 */
int annotation_decode(const char *text, char **out, struct err *err);

/* Replace the string *@member of struct config. */
void annotation_put_string(char **member, const char *value);

#endif
