/* SPDX-License-Identifier: Apache-2.0 */
/* From a TOML value to a member of struct config, by the key's row. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/keys.h"

static void *member_of(struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

static void set_string(void *member, const char *value)
{
	char **s = member;

	free(*s);
	*s = xstrdup(value);
}

static void set_value(void *member, enum config_type type, const union config_value *value)
{
	switch (type) {
	case CONFIG_STRING:
		set_string(member, value->string);
		break;
	case CONFIG_BOOL:
		*(bool *)member = value->boolean;
		break;
	case CONFIG_INTEGER:
		*(int64_t *)member = value->integer;
		break;
	case CONFIG_FLOAT:
		*(double *)member = value->real;
		break;
	case CONFIG_LIST:
		break; /* empty as it is */
	}
}

/* What @key is where no file sets it. */
static const union config_value *default_of(const struct config_key *key, unsigned hypervisor)
{
	const union config_value *value = &key->unset;

	for (size_t i = 0; i < config_default_count; i++)
		if (config_defaults[i].offset == key->offset &&
		    config_defaults[i].hypervisors & hypervisor)
			value = &config_defaults[i].value;
	return value;
}

void config_set_defaults(struct config *config, unsigned hypervisor)
{
	const struct config_key *key;

	for (key = config_keys; key < config_keys + config_key_count; key++)
		if (!key->alias)
			set_value(member_of(config, key), key->type, default_of(key, hypervisor));
}

bool config_is_default(const struct config *config, const char *name)
{
	const struct config_key *key = config_key_find(SECTION_HYPERVISOR, name);
	const union config_value *value;
	const void *is;

	assert(key);
	value = default_of(key, config_hypervisor_bit(config->hypervisor.name));
	is = member_of((struct config *)(uintptr_t)config, key);
	switch (key->type) {
	case CONFIG_STRING:
		return !strcmp(*(char *const *)is, value->string);
	case CONFIG_BOOL:
		return *(const bool *)is == value->boolean;
	case CONFIG_INTEGER:
		return *(const int64_t *)is == value->integer;
	case CONFIG_FLOAT:
		return !(*(const double *)is < value->real) && !(*(const double *)is > value->real);
	case CONFIG_LIST:
		return ((const struct strv *)is)->n == 0;
	}
	return false;
}

void config_release(struct config *config)
{
	const struct config_key *key;

	for (key = config_keys; key < config_keys + config_key_count; key++) {
		if (key->alias)
			continue;
		if (key->type == CONFIG_STRING)
			free(*(char **)member_of(config, key));
		else if (key->type == CONFIG_LIST)
			strv_free(member_of(config, key));
	}
}

/* "must be X, not Y" */
static int fail_type(struct err *err, const char *must, const struct toml_node *node)
{
	return err_set(err, EINVAL, "must be %s, not %s", must, toml_type_name(node->type));
}

/* Strings end up in paths and argument lists, which end at the first NUL. */
static int check_string(const struct toml_node *node, struct err *err)
{
	if (node->type != TOML_STRING)
		return fail_type(err, "a string", node);
	if (memchr(node->string.data, '\0', node->string.len))
		return err_set(err, EINVAL, "must not hold the character U+0000");
	return 0;
}

static int fail_choice(struct err *err, const char *const *choices, const struct toml_node *node)
{
	auto_str struct str list = STR_INIT, value = STR_INIT;
	const char *const *c;

	for (c = choices; *c; c++)
		str_printf(&list, "%s\"%s\"", c == choices ? "" : c[1] ? ", " : " or ", *c);
	toml_quote(&value, node->string.data, node->string.len);
	return err_set(err, EINVAL, "must be %s, not %s", str_text(&list), str_text(&value));
}

static int put_string(void *member, const struct config_key *key, const struct toml_node *node,
		      struct err *err)
{
	const char *const *c = key->choices;
	int ret = check_string(node, err);

	if (ret)
		return ret;
	while (c && *c && strcmp(*c, node->string.data) != 0)
		c++;
	if (c && !*c)
		return fail_choice(err, key->choices, node);
	set_string(member, node->string.data);
	return 0;
}

static int put_integer(int64_t *member, const struct config_key *key, const struct toml_node *node,
		       struct err *err)
{
	if (node->type != TOML_INTEGER)
		return fail_type(err, "an integer", node);
	if (node->integer < key->min || node->integer > key->max)
		return err_set(err, EINVAL, "must be from %lld to %lld, not %lld",
			       (long long)key->min, (long long)key->max, (long long)node->integer);
	*member = node->integer * key->scale;
	return 0;
}

static int put_float(double *member, const struct toml_node *node, struct err *err)
{
	if (node->type == TOML_INTEGER)
		*member = (double)node->integer;
	else if (node->type == TOML_FLOAT && isfinite(node->real))
		*member = node->real;
	else if (node->type == TOML_FLOAT)
		return err_set(err, EINVAL, "must be a finite number");
	else
		return fail_type(err, "a number", node);
	return 0;
}

static int put_list(struct strv *member, const struct toml_node *node, struct err *err)
{
	auto_strv struct strv list = { NULL, 0 };
	const struct toml_node *it;
	int ret;

	if (node->type != TOML_ARRAY)
		return fail_type(err, "an array of strings", node);
	for (it = node->first; it; it = it->next) {
		ret = check_string(it, err);
		if (ret)
			return err_wrap(err, "element %zu", list.n + 1);
		strv_add(&list, it->string.data);
	}
	strv_free(member);
	*member = list;
	list = (struct strv){ NULL, 0 };
	return 0;
}

int config_set(struct config *config, const struct config_key *key, const struct toml_node *node,
	       struct err *err)
{
	void *member = member_of(config, key);

	switch (key->type) {
	case CONFIG_STRING:
		return put_string(member, key, node, err);
	case CONFIG_BOOL:
		if (node->type != TOML_BOOL)
			return fail_type(err, "true or false", node);
		*(bool *)member = node->boolean;
		return 0;
	case CONFIG_INTEGER:
		return put_integer(member, key, node, err);
	case CONFIG_FLOAT:
		return put_float(member, node, err);
	case CONFIG_LIST:
		return put_list(member, node, err);
	}
	return err_set(err, EINVAL, "is of no type");
}
