/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that a server on the host's side of the pod's namespace knows (Docker's, at
 * 127.0.0.11): the questions of the guest's programs are taken here, and the host, which
 * cannot be called, comes for them. And the other way: that server asks others only by the
 * pod's network, which is the guest's.
 */
#ifndef AGENT_NAMES_H
#define AGENT_NAMES_H

#include "guest/agent/agent.h"
#include "proto/agent.pb-c.h"

/* Questions to servers of the pod's network at a time, and how long one takes at most. */
#define NAMES_ASKS_MAX 64
#define NAMES_ASK_MS   5000

/* Take the questions to @servers; to the same ones as before: go on. 0 or -errno. */
int names_serve(struct agent *agent, const Grpc__ServeNamesRequest *req, struct err *err);

/* Answer @call with the next question, now or later. */
void names_next(struct ttrpc_call *call);

void names_answer(const Grpc__AnswerNameQueryRequest *req);

/* Ask, and answer @call with what was said. */
void names_ask(struct agent *agent, struct ttrpc_call *call, const Grpc__AskNameServerRequest *req);

/* No questions any more; calls that wait fail. */
void names_close(void);

#endif
