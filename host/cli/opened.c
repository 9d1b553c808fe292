/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/opened.h"

#include <errno.h>

#include "base/cleanup.h"

static int connect_shim(struct opened *o, const char *id, struct err *err)
{
	if (!state_shim_alive(o->st) || !o->st->address)
		return err_set(err, ESRCH, "container %s is not running", id);
	o->loop = loop_new();
	if (!o->loop)
		return err_sys(err, errno, "cannot make an event loop");
	o->task = task_connect(o->loop, o->st->address, id, err);
	return o->task ? 0 : err_wrap(err, "container %s", id);
}

int opened_open(struct opened *o, const struct cli *cli, const char *id, struct err *err)
{
	int r = state_check_id(id, err);

	*o = (struct opened){ NULL, NULL, NULL };
	if (r == 0)
		r = state_load_container(cli->root, id, &o->st, err);
	if (r == 0)
		r = connect_shim(o, id, err);
	if (r < 0)
		opened_close(o);
	return r;
}

void opened_close(struct opened *o)
{
	task_free(take_ptr(o->task));
	loop_free(take_ptr(o->loop));
	state_free(take_ptr(o->st));
}
