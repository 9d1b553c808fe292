/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask of a sandbox by HTTP, on <root>/<id>/shim-monitor.sock, as of Kata's
 * shim: /metrics, /agent-url, /direct-volume/stats, /direct-volume/resize, /iptables,
 * /ip6tables and /policy. Only root comes there.
 */
#ifndef HOST_SHIM_MANAGEMENT_H
#define HOST_SHIM_MANAGEMENT_H

#include "base/err.h"
#include "host/shim/shim.h"
#include "http/httpd.h"

struct management;

/* Nobody is listened to yet. Never NULL. */
struct management *management_new(struct shim *s);

/* Listen on the unix socket @path. */
int management_listen(struct management *m, const char *path, struct err *err);

/* Serve the connected socket @fd (taken over). 0 or -errno. */
int management_serve(struct management *m, int fd);

/* NULL is allowed. */
void management_free(struct management *m);

/* ---- scrape.c: GET /metrics ------------------------------------------------------ */

/* The guest is waited for this long: then the answer goes without what it would tell. */
#define SCRAPE_LIMIT_MS 2000

/* Of what a guest tells so much is passed on. */
#define SCRAPE_AGENT_MAX (512 << 10)

/* Scrapes that wait for the guest at once; one more does without it. */
#define SCRAPES_MAX 4

void scrape_begin(struct shim *s, struct httpd_call *call);

/* Whether the sandbox has a guest that can be asked. */
bool shim_has_guest(const struct shim *s);

#endif
