/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer of HTTP/1.1 (RFC 9112) as bytes: pure. The program that sends it may be one
 * that a guest has taken over, so nothing of it is believed before it was checked.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "http/message.h"

/* Bytes of an answer, all together; of these HTTP_HEAD_MAX of status line and fields. */
#define HTTP_ANSWER_MAX (1024 * 1024)

struct http_answer {
	int status;	 /* 200 to 599: interim ones are passed over */
	struct str body; /* chunks put together; the caller frees */
};

/*
 * Look at the bytes @in that have come so far; @end: nothing more will. 1 and *@answer when
 * it is complete; 0 when more is needed; -EPROTO and @err for what is no answer or ends in
 * its midst, -EMSGSIZE for one that is too large. *@answer is valid in each case.
 */
int http_answer_parse(const struct str *in, bool end, struct http_answer *answer, struct err *err);

#endif
