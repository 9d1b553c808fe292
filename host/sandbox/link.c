/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the agent. One that breaks while the machine lives is made
 * anew, within agent.reconnect_timeout_ms; one that stays broken ends the
 * machine, for nobody could reach its containers any more.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sandbox/core.h"

/* Until the next attempt. The machine may be about to end, which is to be told instead. */
#define RETRY_MS 20

static void give_up(struct sandbox *sb, const struct err *why)
{
	link_down(sb);
	if (sb->phase == PHASE_BOOTING) {
		boot_fail(sb, why);
		return;
	}
	sb->link_why = *why;
	err_wrap(&sb->link_why, "the connection to the agent is lost");
	vm_stop(sb->vm);
}

static void on_limit(void *arg)
{
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;

	sb->link_limit = NULL;
	err_set(&err, ETIMEDOUT, "no new one within %lld ms",
		(long long)sb->config->agent.reconnect_timeout_ms);
	if (sb->link_why.code)
		err_set(&err, ETIMEDOUT, "%s", sb->link_why.msg);
	give_up(sb, &err);
}

static void connect_again(void *arg)
{
	struct sandbox *sb = arg;

	sb->link_retry = NULL;
	err_clear(&sb->link_why);
	if (vm_connect(sb->vm, &sb->link_why) < 0)
		sb->link_retry = loop_add_timer(sb->loop, RETRY_MS, connect_again, sb);
}

/* Until the agent's first answer the boot's own limit holds. */
static void on_lost(const struct err *why, void *arg)
{
	struct sandbox *sb = arg;

	agent_free(take_ptr(sb->agent));
	if (sb->phase != PHASE_BOOTING && sb->phase != PHASE_RUNNING)
		return;
	log_info("sandbox %s: connecting to the agent again: %s", sb->st->id, err_msg(why));
	loop_remove(&sb->link_retry);
	sb->link_retry = loop_add_timer(sb->loop, RETRY_MS, connect_again, sb);
	if (!sb->boot_limit && !sb->link_limit)
		sb->link_limit = loop_add_timer(sb->loop, sb->config->agent.reconnect_timeout_ms,
						on_limit, sb);
}

static void on_health(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;

	if (!rsp) {
		/* What is lost comes back by on_lost(). */
		if (err->code != -ECONNRESET)
			give_up(sb, err);
		return;
	}
	loop_remove(&sb->link_limit);
	if (sb->phase == PHASE_BOOTING)
		boot_agent_answers(sb);
	else
		call_end_lost(sb);
}

/* The limits of link and boot pass first, and know better what to say. */
static int64_t answer_ms(const struct sandbox *sb)
{
	int64_t left = sb->boot_limit ? sb->boot_deadline - loop_now_ms() :
					sb->config->agent.reconnect_timeout_ms;

	return (left > 0 ? left : 0) + 1000;
}

void link_up(struct sandbox *sb)
{
	struct err err = ERR_INIT;
	bool serial;
	auto_close int fd = vm_take_agent(sb->vm, &serial);

	if (fd < 0 || sb->agent)
		return;
	err_clear(&sb->link_why);
	sb->agent = agent_new(sb->loop, take_fd(&fd), serial, answer_ms(sb), on_lost, sb, &err);
	if (sb->agent)
		agent_check(sb->agent, answer_ms(sb), on_health, sb);
	else
		give_up(sb, &err);
}

void link_down(struct sandbox *sb)
{
	loop_remove(&sb->link_retry);
	loop_remove(&sb->link_limit);
	agent_free(take_ptr(sb->agent));
}
