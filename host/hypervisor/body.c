/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/body.h"

#include <stdio.h>

#define BITS_PER_BYTE 8
#define REFILL_MS     1000

void body_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

void body_number(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void body_flag(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

struct json_object *body_object(struct json_object *o, const char *key)
{
	struct json_object *member = json_object_new_object();

	json_object_object_add(o, key, member);
	return member;
}

struct json_object *body_array(struct json_object *o, const char *key)
{
	struct json_object *member = json_object_new_array();

	json_object_object_add(o, key, member);
	return member;
}

struct json_object *body_item(struct json_object *array)
{
	struct json_object *item = json_object_new_object();

	json_object_array_add(array, item);
	return item;
}

static void add_bucket(struct json_object *o, const char *key, int64_t size, int64_t burst)
{
	struct json_object *bucket;

	if (size == 0)
		return;
	bucket = body_object(o, key);
	body_number(bucket, "size", size);
	if (burst > 0)
		body_number(bucket, "one_time_burst", burst);
	body_number(bucket, "refill_time", REFILL_MS);
}

void body_rate(struct json_object *o, const char *key, const struct body_rate *rate)
{
	struct json_object *limiter;

	if (rate->bits == 0 && rate->ops == 0)
		return;
	limiter = body_object(o, key);
	add_bucket(limiter, "bandwidth", rate->bits / BITS_PER_BYTE,
		   rate->bits_burst / BITS_PER_BYTE);
	add_bucket(limiter, "ops", rate->ops, rate->ops_burst);
}

void body_mac(struct json_object *o, const char *key, const uint8_t *mac)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	body_text(o, key, text);
}
