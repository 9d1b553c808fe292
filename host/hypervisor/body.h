/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for the monitors that are driven by it: members of objects, and what several have alike. */
#ifndef HOST_HYPERVISOR_BODY_H
#define HOST_HYPERVISOR_BODY_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Add a member to @o. */
void body_text(struct json_object *o, const char *key, const char *value);
void body_number(struct json_object *o, const char *key, int64_t value);
void body_flag(struct json_object *o, const char *key, bool value);
/* A new object, resp. array, under @key of @o, which owns it. */
struct json_object *body_object(struct json_object *o, const char *key);
struct json_object *body_array(struct json_object *o, const char *key);
/* A new object at the end of @array. */
struct json_object *body_item(struct json_object *array);

/* A limit on what a device carries, in the configuration's words. 0: none. */
struct body_rate {
	int64_t bits, bits_burst; /* per second; once */
	int64_t ops, ops_burst;
};

/*
 * "<key>": {"bandwidth": …, "ops": …} of token buckets that fill in a second, their tokens
 * being bytes and operations. Nothing where there is no limit.
 */
void body_rate(struct json_object *o, const char *key, const struct body_rate *rate);

/* "00:16:3e:0a:0b:0c" */
void body_mac(struct json_object *o, const char *key, const uint8_t *mac);

#endif
